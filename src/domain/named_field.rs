//! Which field of the manifest a provider's words are about.

use crate::api::metadata::{ClientMetadata, RareMetadata};

/// Members whose names are ordinary words: an error that holds one need not be about it.
const ORDINARY: [&str; 3] = ["description", "keywords", "localized"];

/// Most words of a name that is written with spaces.
const MOST_WORDS: usize = 5;

/// The first metadata member that a text names, by its names in the manifest and on the wire. The text has its name on the wire, also
/// with spaces in it, or that in the manifest.
#[must_use]
pub(crate) fn member_in(text: &str) -> Option<(&'static str, &'static str)> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    (0..words.len()).find_map(|at| {
        let rest = words.get(at..)?;
        // The longest counts: a post-logout redirect URI is no redirect URI.
        let names = (1..=MOST_WORDS.min(rest.len()))
            .rev()
            .filter_map(|count| Some(rest.get(..count)?.join("_")));
        names
            .filter_map(|name| member(&name))
            .find(|(manifest, _)| !ORDINARY.contains(manifest))
    })
}

fn member(name: &str) -> Option<(&'static str, &'static str)> {
    let mut members = ClientMetadata::MEMBERS.iter().chain(RareMetadata::MEMBERS);
    members
        .find(|(manifest, wire)| is_name(name, wire) || is_name(name, manifest))
        .copied()
}

/// Whether a word is this name; of a list, also the name of one of its items.
fn is_name(word: &str, name: &str) -> bool {
    let item = name.strip_suffix('s').filter(|item| item.len() > "scope".len());
    word.eq_ignore_ascii_case(name) || item.is_some_and(|item| word.eq_ignore_ascii_case(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named_in(text: &str) -> Option<String> {
        member_in(text).map(|(manifest, _)| format!("spec.{manifest}"))
    }

    #[test]
    fn w77_every_member_is_found_by_its_name_on_the_wire() {
        for (manifest, wire) in ClientMetadata::MEMBERS.iter().chain(RareMetadata::MEMBERS) {
            let found = named_in(&format!("Invalid claim: '{wire}', try again"));
            let expected = (!ORDINARY.contains(manifest)).then(|| format!("spec.{manifest}"));
            assert_eq!(found, expected, "{wire}");
        }
    }

    #[test]
    fn w77_the_first_name_counts_and_only_whole_names_do() {
        for (text, field) in [
            ("redirect_uri[0] must be https", Some("spec.redirectURIs")),
            ("body, redirectUris Field required", Some("spec.redirectURIs")),
            ("response_types do not fit grant_types", Some("spec.responseTypes")),
            ("SCOPE is not allowed", Some("spec.scopes")),
            ("post_logout_redirect_uris", Some("spec.postLogoutRedirectURIs")),
            ("Redirect URI: x, is invalid", Some("spec.redirectURIs")),
            (
                "a post-logout redirect URI must be https",
                Some("spec.postLogoutRedirectURIs"),
            ),
            ("the grant type password", Some("spec.grantTypes")),
            ("the description of redirect", None),
            ("microscope", None),
            ("", None),
        ] {
            assert_eq!(named_in(text).as_deref(), field, "{text}");
        }
    }
}
