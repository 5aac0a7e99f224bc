//! The truth about a dialect: which capabilities an honest observer reports, from its quirks alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::quirk::Operation::{Delete, Read, Register, Update};
use super::quirk::{Dialect, Operation, Quirk};

/// Members that every client of the tests asks for, and those that its update then takes out.
const ASKED: [&str; 6] = [
    "application_type",
    "client_name",
    "grant_types",
    "redirect_uris",
    "response_types",
    "token_endpoint_auth_method",
];
const TAKEN_OUT: [&str; 2] = ["client_uri", "policy_uri"];
/// The only value of these that a dialect may store instead and that is what was asked for.
const METHOD: &str = r#""client_secret_basic""#;
/// What an answer says of a member that it says nothing of.
const NOTHING: [&str; 3] = ["null", r#""""#, "{}"];

/// What is done with one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Registered, tried, updated without members that it had, deregistered.
    Ordinary,
    /// The same, read as well, and tried with a wrong secret.
    Certified,
}

impl Dialect {
    /// `status.capabilities` of a provider object after that. It has no `management` member of its own but that the dialect needs.
    #[must_use]
    pub fn capabilities(&self, traffic: Traffic) -> Value {
        let omits = |of, wanted: &str| {
            self.has(|quirk| matches!(quirk, Quirk::Omits(at, names) if at == of && names.contains(&wanted)))
        };
        let administered = self.has(|quirk| matches!(quirk, Quirk::Administered(_)));
        let returns_token = !omits(Register, "registration_access_token") && !administered;
        let mut all = Map::new();
        let management = match (returns_token, administered) {
            (true, _) => "RegistrationAccessToken",
            (false, true) => "Credentials",
            (false, false) => "None",
        };
        all.insert("management".to_owned(), json!(management));
        let tells = match (self.has(|quirk| matches!(quirk, Quirk::AcceptsAnybody)), traffic) {
            (true, _) => "AcceptsAnybody",
            (false, Traffic::Ordinary) => "TellsClients",
            (false, Traffic::Certified) => "TellsSecrets",
        };
        all.insert("probes".to_owned(), json!({"revocation": tells}));
        all.insert("substitutes".to_owned(), json!(self.substitutes()));
        let managed = (returns_token || administered) && !self.provider.contains("mode: None");
        if !managed {
            return Value::Object(all);
        }
        let (update, delete) = (self.absent(Update), self.absent(Delete));
        if update.is_none() {
            let needs = self.has(|quirk| matches!(quirk, Quirk::Needs(Update, "client_secret", ..)));
            all.insert("update".to_owned(), json!(if needs { "PutWithSecret" } else { "Put" }));
            let merges = self.has(|quirk| matches!(quirk, Quirk::Merges));
            all.insert(
                "omittedMembers".to_owned(),
                json!(if merges { "Kept" } else { "Cleared" }),
            );
            all.insert("clearing".to_owned(), self.clearing(merges));
        } else if update.is_some_and(says_unsupported) {
            all.insert("update".to_owned(), json!("Unsupported"));
        }
        let accepted = self.has(|quirk| matches!(quirk, Quirk::Success(Delete, 202)));
        match delete {
            None => {
                let said = if accepted { "Unproven" } else { "Supported" };
                all.insert("delete".to_owned(), json!(said));
            }
            Some(status) if says_unsupported(status) => {
                all.insert("delete".to_owned(), json!("Unsupported"));
            }
            Some(_) => {}
        }
        // A 404 makes the operator look whether the client is there.
        let looks = [update, delete].contains(&Some(404));
        let reads = self.absent(Read).is_none() && (looks || traffic == Traffic::Certified);
        if reads {
            all.insert("read".to_owned(), json!("Supported"));
        }
        // A digest that a read shows is no secret.
        for (name, on_read, on_update, is_there) in [
            (
                "registrationAccessToken",
                self.has(|quirk| matches!(quirk, Quirk::IssuesToken(Read))),
                self.has(|quirk| matches!(quirk, Quirk::IssuesToken(Update))),
                returns_token,
            ),
            (
                "clientSecret",
                self.has(|quirk| matches!(quirk, Quirk::IssuesSecret(Read))),
                self.has(|quirk| matches!(quirk, Quirk::IssuesSecret(Update))),
                true,
            ),
        ] {
            let word = |changed| if changed { "Changed" } else { "Same" };
            let mut rotation = Map::new();
            if reads {
                rotation.insert("onRead".to_owned(), json!(word(on_read)));
            }
            if update.is_none() {
                rotation.insert("onUpdate".to_owned(), json!(word(on_update)));
            }
            if is_there && !rotation.is_empty() {
                all.insert(name.to_owned(), Value::Object(rotation));
            }
        }
        Value::Object(all)
    }

    /// Members that an answer has with other values than were asked for.
    fn substitutes(&self) -> BTreeSet<&'static str> {
        let asked = |member: &&str| ASKED.contains(member) || TAKEN_OUT.contains(member);
        let changed = self.quirks.iter().filter_map(|quirk| match *quirk {
            Quirk::Stores(member, value) | Quirk::States(Register | Update, member, value) => {
                (value != METHOD && !NOTHING.contains(&value)).then_some(member)
            }
            _ => None,
        });
        changed.filter(asked).collect()
    }

    /// The ways of clearing up to the first that works: members left out, null, an empty value, and the default, which is none for these.
    fn clearing(&self, merges: bool) -> Value {
        let passed_over = |value: &str| {
            self.has(|quirk| match quirk {
                Quirk::Overlooks(values) => values.contains(&value),
                Quirk::RefusesValue(Update, refused, ..) => refused == value,
                _ => false,
            })
        };
        let empty = merges && passed_over(r#""""#);
        let fails = [
            ("Omit", merges),
            ("Null", merges && passed_over("null")),
            ("Empty", empty),
            ("Default", empty),
        ];
        let tried: Vec<&str> = fails
            .iter()
            .take_while(|(_, fails)| *fails)
            .map(|(way, _)| *way)
            .collect();
        let mut ways = Map::new();
        if let Some((way, _)) = fails.get(tried.len()) {
            ways.insert("works".to_owned(), json!([way]));
        }
        if !tried.is_empty() {
            ways.insert("fails".to_owned(), json!(tried));
        }
        Value::Object(ways)
    }

    fn has(&self, fits: impl Fn(Quirk) -> bool) -> bool {
        self.quirks.iter().any(|quirk| fits(*quirk))
    }

    /// The status with which an operation is refused to everybody.
    fn absent(&self, operation: Operation) -> Option<u16> {
        self.quirks.iter().find_map(|quirk| match quirk {
            Quirk::Absent(of, status, _) if *of == operation => Some(*status),
            _ => None,
        })
    }
}

/// Whether a refusal with this status means that the operation is not offered, if the client can be read.
const fn says_unsupported(status: u16) -> bool {
    matches!(status, 404 | 405 | 501)
}
