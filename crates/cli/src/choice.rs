//! `--platform`, `--toggle`, `--set`, `--cni`: which of the matrix's variants is meant.

use crate::exit::Failure;
use clap::Args;
use palisade_diagnostics::{Diagnostic, did_you_mean};
use palisade_matrix::Choice;
use palisade_netmodel::{Profile, World};

/// Options that choose a variant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ChoiceArgs {
    /// Platform of the matrix, for example openshift. Default: the matrix's own.
    #[arg(long, value_name = "NAME", help_heading = "Variant")]
    pub(crate) platform: Option<String>,
    /// Toggle of the matrix: NAME, NAME=on or NAME=off. May be repeated.
    #[arg(
        long = "toggle",
        value_name = "NAME[=on|off]",
        help_heading = "Variant"
    )]
    pub(crate) toggles: Vec<String>,
    /// Parameter of the matrix: NAME=VALUE, lists separated by commas. May be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", help_heading = "Variant")]
    pub(crate) parameters: Vec<String>,
    /// Network plugin, for example calico, cilium, flannel.
    #[arg(long, value_name = "NAME", help_heading = "Variant")]
    pub(crate) cni: Option<String>,
}

impl ChoiceArgs {
    /// The choice as the matrix language takes it.
    pub(crate) fn choice(&self) -> Result<Choice, Failure> {
        let mut choice = Choice {
            platform: self.platform.clone(),
            cni: self.cni.clone(),
            ..Choice::default()
        };
        for toggle in &self.toggles {
            let (name, on) = match toggle.split_once('=') {
                None => (toggle.as_str(), true),
                Some((name, "on" | "true")) => (name, true),
                Some((name, "off" | "false")) => (name, false),
                Some((_, other)) => {
                    return Err(Failure::usage(
                        Diagnostic::error("PAL0512", format!("`{other}` is no value of a toggle"))
                            .help("write --toggle NAME=on or --toggle NAME=off"),
                    ));
                }
            };
            choice.toggles.insert(name.to_owned(), on);
        }
        for parameter in &self.parameters {
            let Some((name, value)) = parameter.split_once('=') else {
                return Err(Failure::usage(
                    Diagnostic::error("PAL0512", format!("`--set {parameter}` has no value"))
                        .help("write --set NAME=VALUE"),
                ));
            };
            choice.parameters.insert(name.to_owned(), value.to_owned());
        }
        Ok(choice)
    }

    /// Puts the named network plugin into the world.
    pub(crate) fn apply_cni(&self, world: &mut World) -> Result<(), Failure> {
        if let Some(name) = &self.cni {
            world.profile = profile(name)?;
        }
        Ok(())
    }
}

/// The network profile of a name.
pub(crate) fn profile(name: &str) -> Result<Profile, Failure> {
    if let Some(profile) = Profile::named(name) {
        return Ok(profile);
    }
    let mut diagnostic = Diagnostic::error("PAL0513", format!("unknown network plugin `{name}`"));
    if let Some(near) = did_you_mean(name, Profile::names()) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    Err(Failure::usage(diagnostic.help(format!(
        "known: {}",
        Profile::names().collect::<Vec<_>>().join(", ")
    ))))
}

/// The network profiles of names; `all` stands for every one.
pub(crate) fn profiles(names: &[String]) -> Result<Vec<Profile>, Failure> {
    let mut out: Vec<Profile> = Vec::new();
    for name in names {
        let found: Vec<Profile> = if name == "all" {
            Profile::names().filter_map(Profile::named).collect()
        } else {
            vec![profile(name)?]
        };
        for profile in found {
            if !out.contains(&profile) {
                out.push(profile);
            }
        }
    }
    Ok(out)
}
