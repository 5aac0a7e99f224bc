//! What the table of profiles sets, in the pages of `docs/providers`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use oauth_client_operator::api::{Preset, Profile};

use super::{keep, repository};

/// End of a generated part.
const END: &str = "<!-- end of the generated part -->\n";

fn begin(what: &str) -> String {
    format!("<!-- {what}: generated from src/api/profile.rs. Do not edit; run .ci/generate. -->\n")
}

/// The settings that differ from those of the standards, with what they are.
fn settings(preset: &Preset) -> Vec<(&'static str, String)> {
    let standard = Profile::Rfc7592.preset();
    let quoted = |names: &[&str]| {
        let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    let word = |value: String| format!("`{value}`");
    let Preset {
        page: _,
        omit_members,
        omit_defaults,
        reserved_members,
        client_id_member,
        mark,
        management,
        update_members,
        secret_in_update,
        clearing,
        registration_path,
        per_minute,
    } = *preset;
    let all = [
        (
            "omitMembers",
            omit_members != standard.omit_members,
            quoted(omit_members),
        ),
        (
            "omitDefaults",
            omit_defaults != standard.omit_defaults,
            quoted(omit_defaults),
        ),
        (
            "reservedMembers",
            reserved_members != standard.reserved_members,
            quoted(reserved_members),
        ),
        (
            "clientIDMember",
            client_id_member.is_some(),
            word(client_id_member.unwrap_or_default().to_owned()),
        ),
        (
            "management.mode",
            management != standard.management,
            word(format!("{management:?}")),
        ),
        (
            "management.updateMembers",
            update_members != standard.update_members,
            word(format!("{update_members:?}")),
        ),
        (
            "management.secretInUpdate",
            secret_in_update != standard.secret_in_update,
            word(format!("{secret_in_update:?}")),
        ),
        (
            "clearing",
            clearing.is_some(),
            word(clearing.map(|clearing| format!("{clearing:?}")).unwrap_or_default()),
        ),
        (
            "endpoints.registration",
            registration_path.is_some(),
            format!(
                "the issuer and `{}`, if the metadata names none",
                registration_path.unwrap_or_default()
            ),
        ),
        (
            "rateLimit.perMinute",
            per_minute.is_some(),
            word(per_minute.unwrap_or_default().to_string()),
        ),
        (
            "mark of registrations",
            mark.is_some(),
            format!(
                "`{}`, with `management.mode: Credentials`",
                mark.map_or("", |mark| mark.member)
            ),
        ),
    ];
    all.into_iter()
        .filter(|(_, differs, _)| *differs)
        .map(|(name, _, value)| (name, value))
        .collect()
}

/// Puts a generated part into a page.
fn put(page: &Path, what: &str, part: &str) {
    assert!(page.is_file(), "{} is missing: each profile has a page", page.display());
    let mut text = fs::read_to_string(page).unwrap();
    let begin = begin(what);
    assert!(text.contains(&begin), "{} has no line {begin}", page.display());
    let from = text.find(&begin).unwrap() + begin.len();
    let to = from + text[from..].find(END).unwrap();
    text.replace_range(from..to, &format!("\n{part}\n"));
    keep(page, &text);
}

#[test]
fn t270_every_profile_has_a_page_with_its_settings() {
    let pages = repository().join("docs/providers");
    for profile in Profile::ALL {
        let (name, preset) = (profile.name(), profile.preset());
        let settings = settings(&preset);
        let part = if settings.is_empty() {
            format!("The profile `{name}` uses the default settings.\n")
        } else {
            let mut table = format!("The profile `{name}` sets:\n\n| Setting | Value |\n|---|---|\n");
            for (setting, value) in settings {
                writeln!(table, "| `{setting}` | {value} |").unwrap();
            }
            table.replace("`mark of registrations`", "mark of registrations")
        };
        put(
            &pages.join(format!("{}.md", preset.page)),
            &format!("profile {name}"),
            &part,
        );
    }
}

#[test]
fn t270_the_page_of_providers_lists_every_profile() {
    let mut table = String::from("| `profile` | Settings that differ from the default |\n|---|---|\n");
    for profile in Profile::ALL {
        let (name, preset) = (profile.name(), profile.preset());
        let settings: Vec<_> = settings(&preset)
            .into_iter()
            .filter(|(setting, _)| *setting != "mark of registrations")
            .map(|(setting, value)| format!("`{setting}`: {value}"))
            .collect();
        writeln!(table, "| [`{name}`]({}.md) | {} |", preset.page, settings.join("; ")).unwrap();
    }
    put(&repository().join("docs/providers/README.md"), "profiles", &table);
}

/// At a real server of that name or at an emulation.
#[test]
fn w150_every_profile_is_tried_by_a_life_of_a_client() {
    let golden = fs::read_to_string(repository().join("tests/golden/lifecycle.tsv")).unwrap();
    let tried: Vec<&str> = golden.lines().filter_map(|row| row.split('\t').nth(1)).collect();
    for profile in Profile::ALL {
        let name = profile.name();
        let server = if profile == Profile::default() { "plain" } else { &name };
        assert!(tried.contains(&server), "no row of the golden file is about {name}");
    }
}
