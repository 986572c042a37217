//! No packet of a refused flow passes and none of an accepted flow is lost, however often policies change. The
//! control, a table that is replaced in one transaction as other engines do it, must show that the probe would see it.

use crate::small::{floods, one_node, small, variant};
use crate::support::{nft, with_rights};
use palisade_netlab::{Count, Expected};
use palisade_netmodel::World;
use palisade_trial::Trial;
use std::time::{Duration, Instant};

/// Updates of a run.
const UPDATES: usize = 10_000;
/// How long the control may take to leak.
const CONTROL: Duration = Duration::from_secs(120);

#[test]
fn nothing_leaks_and_nothing_is_lost() {
    with_rights("leak::nothing_leaks_and_nothing_is_lost", || {
        let base = small();
        let mut trial = one_node(&base);
        let variants: Vec<World> = (0..16).map(|number| variant(&base, number)).collect();
        let located: Vec<World> = variants
            .iter()
            .map(|w| trial.located(w, None).unwrap())
            .collect();
        trial.enforce(&base).unwrap();
        let floods = floods(&trial);
        let node = trial.node(trial.nodes[0]).unwrap();
        let Trial { lab, enforcers, .. } = &mut trial;
        let (anew, counts) = lab
            .flood(&floods, || {
                let mut anew = 0;
                for number in 0..UPDATES {
                    let world = &located[number * 7 % located.len()];
                    let report = enforcers[0].enforce(world, &node).unwrap();
                    assert!(report.refused.is_empty(), "{report:?}");
                    anew += usize::from(report.filled_anew);
                }
                anew
            })
            .unwrap();
        assert_eq!(anew, 0, "tables were filled anew");
        told(&counts, UPDATES);
        for (flood, count) in floods.iter().zip(&counts) {
            assert!(count.sent > 10_000, "{count:?}");
            match flood.expected {
                Expected::Silence => assert_eq!(count.delivered, 0, "leaked: {count:?}"),
                Expected::Arrival => assert_eq!(count.lost, 0, "lost: {count:?}"),
            }
        }
    });
}

/// The probe sees what a replaced table lets through; if it did not, it would be too weak.
#[test]
fn a_replaced_table_leaks() {
    with_rights("leak::a_replaced_table_leaks", || {
        let base = small();
        let mut trial = one_node(&base);
        trial.enforce(&base).unwrap();
        let table = trial.enforcers[0].applied().unwrap().to_string();
        let replace = format!(
            "add table ip palisade\ndelete table ip palisade\n\
             add table ip6 palisade\ndelete table ip6 palisade\n{table}"
        );
        let floods = floods(&trial);
        let (begun, node) = (Instant::now(), trial.nodes[0]);
        let mut all = (0, 0);
        while begun.elapsed() < CONTROL && all.0 == 0 {
            let (replaced, counts) = trial
                .lab
                .flood(&floods, || {
                    for _ in 0..200 {
                        nft(&trial.lab, node, &["-f", "-"], &replace);
                    }
                    200
                })
                .unwrap();
            told(&counts, replaced);
            all.0 += counts.iter().take(2).map(|c| c.delivered).sum::<u64>();
            all.1 += counts.iter().skip(2).map(|c| c.lost).sum::<u64>();
        }
        println!("control: {} leaked, {} lost", all.0, all.1);
        assert!(all.0 > 0, "the probe is too weak to see a replaced table");
    });
}

fn told(counts: &[Count], updates: usize) {
    for (number, count) in counts.iter().enumerate() {
        let Count {
            sent,
            delivered,
            lost,
            ..
        } = count;
        println!(
            "{updates} updates, flood {number}: {sent} sent, {delivered} delivered, {lost} lost"
        );
    }
}
