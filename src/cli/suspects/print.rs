//! Entries as text and as JSON.

use serde::Serialize;

use crate::domain::leftover::Kind;

use super::entry::Entry;

const HEADER: [&str; 7] = ["KIND", "NAME", "OBJECT", "CLIENT ID", "ISSUER", "PROVIDER", "TIME"];

pub(super) fn json<T: Serialize>(value: &T) -> String {
    // All members have names that are text, so there is nothing that cannot be written.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// One line an entry, in columns.
pub(super) fn table(entries: &[Entry]) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(entries.iter().map(cells));
    let widths: [usize; 7] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or_default()
    });
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn cells(entry: &Entry) -> [String; 7] {
    let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "<unknown>".to_owned(), printable);
    [
        entry.kind.as_str().to_owned(),
        printable(&entry.name),
        shown(&entry.object),
        shown(&entry.client_id),
        shown(&entry.issuer),
        shown(&entry.provider),
        shown(&entry.time),
    ]
}

/// One entry in full, and what to do about it.
pub(super) fn details(entry: &Entry, namespace: &str) -> String {
    let held = match entry.held_credentials.as_slice() {
        [] => "none".to_owned(),
        names => format!("{} (values are not shown)", names.join(", ")),
    };
    let phase = entry.phase.map_or("<none>", |phase| phase.as_str());
    let [kind, name, object, client, issuer, provider, time] = cells(entry);
    let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "<unknown>".to_owned(), printable);
    let facts = [
        ("Kind", kind),
        ("Name", name),
        ("Namespace", namespace.to_owned()),
        ("OAuthClient", object),
        ("OAuthClient UID", shown(&entry.object_uid)),
        ("Client ID", client),
        ("Issuer", issuer),
        ("Provider", provider),
        ("Attempt", shown(&entry.attempt)),
        ("Time", time),
        ("Record phase", phase.to_owned()),
        ("Credentials held", held),
    ];
    let lines = facts
        .into_iter()
        .map(|(name, value)| format!("{:<18}{value}\n", format!("{name}:")));
    lines.collect::<String>() + "\n" + advice(entry) + "\n"
}

fn advice(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::Suspect if entry.in_dispute => {
            "The provider answered a registration with this client, and others may use it, so the operator does not deregister it by itself. If nothing uses \
             it, run `suspects retry NAME` to have it deregistered. If an OAuthClient should use it, set spec.adopt. If something else uses it, run `suspects ack \
             NAME`: the client stays, and the credentials that the entry holds are lost."
        }
        Kind::Suspect if entry.has_record() => {
            "The client may exist at the provider. The operator tries to deregister it from time to time; `suspects retry NAME` requests a try now. If you \
             delete the client at the provider, or decide to keep it, run `suspects ack NAME`."
        }
        Kind::Suspect => {
            "The client may exist at the provider, and the operator has no credentials for it. Look for it at the provider by its identifier, or by its name \
             and its registration time. Delete it there if nothing uses it, then run `suspects ack NAME`."
        }
        Kind::Left => {
            "The OAuthClient is gone, and its client stays at the provider, which deregisters none. Delete the client there if nothing uses it, then run \
             `suspects ack NAME`. If the provider offers deregistration now, `suspects retry NAME` requests a try."
        }
        Kind::Tombstone => {
            "The OAuthClient is gone and its client is not deregistered yet. The operator keeps trying; `suspects retry NAME` requests a try now. To give \
             the client up, run `suspects ack NAME`."
        }
        Kind::Unmatched => {
            "The client is registered, and no OAuthClient has the UID of this record. The operator does nothing about it. Restore the OAuthClient, or check \
             which namespaces the operator serves. If nothing uses the client, delete it at the provider, then run `suspects ack --unmatched NAME`."
        }
    }
}

/// A provider chooses identifiers, which may hold escape sequences of a terminal.
pub(super) fn printable(text: &str) -> String {
    let shown = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::suspect_entry;
    use super::*;
    use crate::domain::record::tests::record;

    #[test]
    fn t151_the_table_has_a_line_for_each_entry_in_columns() {
        let known = suspect_entry(Some(&record()));
        let text = table(&[known.clone(), suspect_entry(None)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let at = lines[0].find("CLIENT ID").unwrap();
        assert!(lines[1][at..].starts_with(&known.client_id.unwrap()), "{text}");
        assert!(lines[2][at..].starts_with("<unknown>"), "{text}");
    }

    #[test]
    fn t152_what_a_provider_chose_cannot_steer_the_terminal() {
        let mut entry = suspect_entry(Some(&record()));
        entry.client_id = Some("a\u{1b}[2Jb\nc".to_owned());
        let text = table(&[entry.clone()]) + &details(&entry, "system");
        assert!(
            !text.contains('\u{1b}') && text.contains("a\u{fffd}[2Jb\u{fffd}c"),
            "{text}"
        );
    }
}
