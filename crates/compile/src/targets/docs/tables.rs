//! The tables: inbound and outbound connections of each component, the zone matrix, all flows, and
//! what can be set.

use super::book::{Book, Cell, Part, Table};
use super::content::{ComponentEntry, Connection, Content};

/// Arranges the content as a document.
pub(crate) fn book(content: &Content) -> Book {
    let mut parts: Vec<Part> = content.notes.iter().cloned().map(Part::Paragraph).collect();
    parts.extend(resolution(content));
    if !content.cells.is_empty() {
        zone_matrix(content, &mut parts);
    }
    inbound(content, &mut parts);
    outbound(content, &mut parts);
    implied(content, &mut parts);
    flows(content, &mut parts);
    toggles(content, &mut parts);
    parameters(content, &mut parts);
    Book {
        title: content.title.clone(),
        parts,
    }
}

fn chapter(parts: &mut Vec<Part>, title: &str) {
    parts.push(Part::Heading(2, title.to_owned()));
}

fn resolution(content: &Content) -> Option<Part> {
    let choices: Vec<String> = content
        .resolution
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    (!choices.is_empty()).then(|| Part::Paragraph(format!("Written for {}.", choices.join(", "))))
}

/// Sources in rows, destinations in columns.
fn zone_matrix(content: &Content, parts: &mut Vec<Part>) {
    chapter(parts, "Zones");
    let mut notes: Vec<(i64, String)> = Vec::new();
    let mut table = Table {
        head: vec!["Source\\Destination".to_owned()],
        row_heads: true,
        ..Table::default()
    };
    let titles = content.zones.iter().map(|z| z.title.clone());
    table.head.extend(titles);
    for from in &content.zones {
        let mut row = vec![Cell::from(from.title.as_str())];
        for to in &content.zones {
            let mut cells = content.cells.iter();
            let mut out = Cell {
                prose: true,
                ..Cell::default()
            };
            if let Some(cell) = cells.find(|c| c.from == from.name && c.to == to.name) {
                out.text.clone_from(&cell.text);
                out.footnotes = cell.footnotes.iter().map(|(number, _)| *number).collect();
                notes.extend(cell.footnotes.iter().cloned());
            }
            row.push(out);
        }
        table.rows.push(row);
    }
    parts.push(Part::Table(table));
    notes.sort();
    notes.dedup();
    if !notes.is_empty() {
        parts.push(Part::Footnotes(notes));
    }
}

fn inbound(content: &Content, parts: &mut Vec<Part>) {
    chapter(parts, "Inbound network connections (ingress)");
    for component in &content.components {
        parts.push(Part::Heading(3, component.inbound_title.clone()));
        let mut table = Table::new([
            "Type",
            "Origin",
            "Pod Label",
            "Port",
            "Reason",
            "Enabled in policy",
        ]);
        let own = |c: &&Connection| c.ingress && c.to.components.contains(&component.name);
        for connection in content.connections.iter().filter(own) {
            table.row([
                connection.protocol.clone(),
                connection.from.title.clone(),
                connection.from.pod_label.clone(),
                connection.port.clone(),
                connection.reason.clone(),
                connection.enabled_inbound.clone(),
            ]);
        }
        finish(component, table, parts);
        parts.extend(component.off.iter().cloned().map(Part::Note));
    }
}

fn outbound(content: &Content, parts: &mut Vec<Part>) {
    chapter(parts, "Outbound network connections (egress)");
    parts.extend(content.outbound_notes.iter().cloned().map(Part::Note));
    for component in &content.components {
        parts.push(Part::Heading(3, component.outbound_title.clone()));
        let mut table = Table::new([
            "Type",
            "Destination",
            "Pod Label",
            "Port",
            "Reason",
            "Enabled in policy",
        ]);
        let own = |c: &&Connection| c.egress && c.from.components.contains(&component.name);
        for connection in content.connections.iter().filter(own) {
            table.row([
                connection.protocol.clone(),
                connection.to.title.clone(),
                connection.to.pod_label.clone(),
                connection.port.clone(),
                connection.reason.clone(),
                connection.enabled_outbound.clone(),
            ]);
        }
        let notes = ComponentEntry {
            notes: Vec::new(),
            ..component.clone()
        };
        finish(&notes, table, parts);
    }
}

fn finish(component: &ComponentEntry, table: Table, parts: &mut Vec<Part>) {
    if table.rows.is_empty() {
        parts.push(Part::Paragraph("No connection is declared.".to_owned()));
    } else {
        parts.push(Part::Table(table));
    }
    parts.extend(component.notes.iter().cloned().map(Part::Paragraph));
}

fn implied(content: &Content, parts: &mut Vec<Part>) {
    if content.implied.is_empty() {
        return;
    }
    chapter(parts, "Connections that every pod of a zone needs");
    let mut table = Table::new([
        "Type",
        "Origin",
        "Destination",
        "Pod Label",
        "Port",
        "Reason",
    ]);
    for c in &content.implied {
        table.row([
            c.protocol.clone(),
            c.from.title.clone(),
            c.to.title.clone(),
            c.to.pod_label.clone(),
            c.port.clone(),
            c.reason.clone(),
        ]);
    }
    parts.push(Part::Table(table));
}

fn flows(content: &Content, parts: &mut Vec<Part>) {
    if content.connections.is_empty() {
        return;
    }
    chapter(parts, "All flows");
    let mut table = Table::new([
        "Flow",
        "From",
        "To",
        "Port",
        "Encryption",
        "Reason",
        "Declared",
    ]);
    for c in &content.connections {
        let encryption = if c.exception.is_empty() {
            c.encryption.clone()
        } else {
            format!("{} (exception: {})", c.encryption, c.exception)
        };
        let port = if c.port == c.protocol {
            c.port.clone()
        } else {
            format!("{} {}", c.port, c.protocol)
        };
        table.row([
            c.id.clone(),
            c.from.title.clone(),
            c.to.title.clone(),
            port,
            encryption,
            c.reason.clone(),
            c.enabled.clone(),
        ]);
    }
    parts.push(Part::Table(table));
}

fn toggles(content: &Content, parts: &mut Vec<Part>) {
    if content.toggles.is_empty() {
        return;
    }
    chapter(parts, "Toggles");
    let mut table = Table::new(["Toggle", "Default", "Set by", "When switched on", "Reason"]);
    for toggle in &content.toggles {
        table.prose_row([
            toggle.name.clone(),
            if toggle.default { "on" } else { "off" }.to_owned(),
            toggle.set_by.join("; "),
            toggle.on_enable.clone(),
            toggle.reason.clone(),
        ]);
    }
    parts.push(Part::Table(table));
}

fn parameters(content: &Content, parts: &mut Vec<Part>) {
    if content.parameters.is_empty() {
        return;
    }
    chapter(parts, "Parameters");
    let mut table = Table::new(["Parameter", "Type", "Default", "Set by", "Description"]);
    for parameter in &content.parameters {
        table.prose_row([
            parameter.name.clone(),
            parameter.kind.clone(),
            parameter.default.clone(),
            parameter.set_by.join("; "),
            parameter.description.clone(),
        ]);
    }
    parts.push(Part::Table(table));
}
