//! `ack` and `retry`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::leftover::Kind;

use super::Selection;
use super::cluster::{Cluster, Problem};
use super::entry::Entry;
use super::print::printable;

/// Removes entries; what they were is said. Nothing is removed unless all of them may be.
pub(super) async fn acknowledge(cluster: &Cluster, selection: &Selection, unmatched: bool) -> Result<String, Problem> {
    let entries = selected(cluster, selection).await?;
    let guarded = |entry: &&Entry| entry.kind == Kind::Unmatched && !unmatched;
    if let Some(entry) = entries.iter().find(guarded) {
        return Err(Problem(format!(
            "{} is the record of a registered client, which an application may use ({}); if nothing uses it, run the command again with --unmatched. \
             Nothing was removed",
            entry.name,
            printable(&entry.client())
        )));
    }
    each(&entries, "removed", async |entry| {
        cluster.remove(entry).await?;
        let lost = match entry.held_credentials.as_slice() {
            [] => String::new(),
            names => format!("; the record with its {} is gone", names.join(", ")),
        };
        let (kind, name) = (entry.kind.as_str(), &entry.name);
        Ok(format!(
            "removed: {kind} {name}: {}{lost}\n",
            printable(&entry.client())
        ))
    })
    .await
}

/// Asks the operator to try entries now.
pub(super) async fn retry(cluster: &Cluster, selection: &Selection) -> Result<String, Problem> {
    let mut entries = selected(cluster, selection).await?;
    if selection.all {
        entries.retain(Entry::has_record);
    }
    for entry in &entries {
        let text = match entry.kind {
            Kind::Unmatched => "is the record of a registered client, which the operator does not deregister",
            Kind::Suspect if !entry.has_record() => {
                "holds no credentials, so the operator cannot deregister its client: delete the client at the provider, then acknowledge the entry"
            }
            Kind::Suspect | Kind::Left | Kind::Tombstone => continue,
        };
        return Err(Problem(format!("{} {text}. Nothing was requested", entry.name)));
    }
    // Another value each time, so that the Secret changes.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let value = now.as_millis().to_string();
    let said = each(&entries, "requested", async |entry| {
        cluster.request_retry(entry, &value).await?;
        Ok(format!("requested: {}: {}\n", entry.name, printable(&entry.client())))
    })
    .await?;
    Ok(
        said + "The operator tries within 30 seconds. It removes the entry if the client is deregistered; otherwise its log says why not.\n"
    )
}

async fn selected(cluster: &Cluster, selection: &Selection) -> Result<Vec<Entry>, Problem> {
    if selection.all {
        let mut entries = cluster.entries().await?;
        let (kind, name) = if selection.left {
            (Kind::Left, "client that a deletion left")
        } else {
            (Kind::Suspect, "suspect")
        };
        entries.retain(|entry| entry.kind == kind && selection.filter.fits(entry));
        if entries.is_empty() {
            return Err(Problem(format!(
                "no {name} in namespace {} fits the filter",
                cluster.namespace
            )));
        }
        return Ok(entries);
    }
    let mut entries = Vec::new();
    for name in &selection.names {
        let entry = cluster.entry(name).await;
        entries.push(entry.map_err(|Problem(text)| Problem(format!("{text}. Nothing was done")))?);
    }
    Ok(entries)
}

/// Does something for each entry. A failure in the middle says what was done before.
async fn each(
    entries: &[Entry],
    done: &str,
    act: impl AsyncFn(&Entry) -> Result<String, Problem>,
) -> Result<String, Problem> {
    let mut said = String::new();
    for (count, entry) in entries.iter().enumerate() {
        match act(entry).await {
            Ok(line) => said += &line,
            Err(Problem(text)) if count == 0 => return Err(Problem(text)),
            Err(Problem(text)) => return Err(Problem(format!("{said}{text} ({count} of {} {done})", entries.len()))),
        }
    }
    Ok(said)
}
