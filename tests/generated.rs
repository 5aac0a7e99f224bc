//! Generated files are what the types of today generate.
//!
//! With `UPDATE_GENERATED=1` (see `.ci/generate`) the files are written instead of compared.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

#[path = "generated/api.rs"]
mod api;
#[path = "generated/profiles.rs"]
mod profiles;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use oauth_client_operator::api::Reason;
use oauth_client_operator::domain::pass::{Part, Row};
use oauth_client_operator::metrics::{DEFINITIONS as METRICS, Kind, Scope, Unit, Values};
use serde_yaml::Value;

/// Directories that hold a copy of every definition.
const DEFINITIONS: [&str; 2] = ["crds", "charts/oauth-client-operator/files/crds"];

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares `file` with what it should hold, or writes it.
fn keep(file: &Path, generated: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, generated).unwrap();
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    let line = found.lines().zip(generated.lines()).take_while(|(a, b)| a == b).count() + 1;
    assert!(
        found == generated,
        "{} is out of date from line {line} on: run .ci/generate and commit what it writes",
        file.display()
    );
}

#[test]
fn definitions_are_those_that_the_binary_prints() {
    let output = std::env::temp_dir().join(format!("oauth-client-operator-crds-{}", std::process::id()));
    fs::create_dir_all(&output).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_oauth-client-operator"))
        .args(["crds", "--output"])
        .arg(&output)
        .status()
        .unwrap();
    assert!(status.success(), "`oauth-client-operator crds` ended with {status}");

    let mut names: Vec<_> = fs::read_dir(&output)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["clusteroauthproviders.yaml", "oauthclients.yaml", "oauthproviders.yaml"]
    );
    for name in names {
        let generated = fs::read_to_string(output.join(&name)).unwrap();
        for directory in DEFINITIONS {
            keep(&repository().join(directory).join(&name), &generated);
        }
    }
    fs::remove_dir_all(&output).unwrap();
}

#[test]
fn reasons_are_documented() {
    let mut page = String::from(
        "# Reasons\n\n\
         <!-- Generated from the Rust types. Do not edit; run .ci/generate. -->\n\n\
         Every condition and event of the operator names its cause by one of these words. The list is closed. \
         The message beside the word says what is wrong with your object. For commands, see \
         [Troubleshooting](troubleshooting.md).\n\n\
         | Reason | Cause | What to do |\n|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let (cause, remedy) = (reason.meaning().trim(), reason.remedy());
        assert!(cause.ends_with('.') && remedy.ends_with('.'), "{reason}");
        writeln!(page, "| `{reason}` | {cause} | {remedy} |").unwrap();
    }
    keep(&repository().join("docs/reasons.md"), &page);
}

/// Name of a metric as queries use it.
fn queried(name: &str, kind: Kind) -> String {
    match kind {
        Kind::Counter => format!("{name}_total"),
        Kind::Info => format!("{name}_info"),
        Kind::Gauge | Kind::Histogram => name.to_owned(),
    }
}

#[test]
fn t194_metrics_are_documented() {
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- Generated from the Rust types. Do not edit; run .ci/generate. -->\n\n\
         Every replica serves `/metrics` on its admin port, in the OpenMetrics text format. The values of labels are closed \
         lists; no label holds the name of an object.\n\n\
         Metrics of the *replica* are about the process. Sum them over the replicas. Metrics of the *leader* are about the \
         objects of the cluster. Only the leader exports them, so a sum over the replicas counts each object once. They \
         are absent while no replica leads.\n\n\
         Counters exist with the value 0 from the start. A reason that no object has is not exported.\n\n\
         | Metric | Type | Unit | Labels | Exported by | Meaning |\n|---|---|---|---|---|---|\n",
    );
    let mut labels = Vec::new();
    for definition in METRICS {
        let names: Vec<_> = definition
            .labels
            .iter()
            .map(|label| format!("`{}`", label.name))
            .collect();
        let scope = match definition.scope {
            Scope::Replica => "replica",
            Scope::Leader => "leader",
        };
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {scope} | {}. |",
            queried(definition.name, definition.kind),
            definition.kind.as_str(),
            definition.unit.map_or("", Unit::as_str),
            names.join(", "),
            definition.help,
        )
        .unwrap();
        for label in definition.labels {
            let values = match label.values {
                Values::Each(values) => {
                    let values: Vec<_> = values().into_iter().map(|value| format!("`{value}`")).collect();
                    if values.len() > 20 {
                        "a [reason](reasons.md), or `Other` for one that this version does not know".to_owned()
                    } else {
                        values.join(", ")
                    }
                }
                Values::Described(text) => text.to_owned(),
            };
            let name = queried(definition.name, definition.kind);
            labels.push(format!("| `{name}` | `{}` | {values} |\n", label.name));
        }
    }
    page.push_str("\nA histogram `X` has the series `X_bucket`, `X_sum` and `X_count`.\n\n## Labels\n\n| Metric | Label | Values |\n|---|---|---|\n");
    page.extend(labels);
    page.push_str(
        "\n## Alerts and dashboard\n\n\
         The chart renders a PrometheusRule with `metrics.prometheusRule.enabled=true` and a Grafana dashboard with \
         `metrics.dashboard.enabled=true`. Each alert has a [runbook](runbooks/README.md). Log lines are described in \
         [Logs](logs.md).\n",
    );
    keep(&repository().join("docs/metrics.md"), &page);
}

/// The alerts of the chart, as kustomize applies them.
#[test]
fn t194_kustomize_and_the_chart_have_the_same_alerts() {
    let alerts = fs::read_to_string(repository().join("charts/oauth-client-operator/files/alerts.yaml")).unwrap();
    let rules = alerts.split_once("\nrules:\n").unwrap().1;
    let rules = rules.replace("NAMESPACE", "oauth-client-operator-system");
    let mut indented = String::new();
    for line in rules.lines() {
        writeln!(indented, "    {line}").unwrap();
    }
    let text = format!(
        "# Generated from charts/oauth-client-operator/files/alerts.yaml. Do not edit; run .ci/generate.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: oauth-client-operator\n  \
         namespace: oauth-client-operator-system\n  labels:\n    app.kubernetes.io/name: oauth-client-operator\nspec:\n  \
         groups:\n  - name: oauth-client-operator\n    rules:\n{indented}"
    );
    let _: Value = serde_yaml::from_str(&text).unwrap();
    keep(&repository().join("deploy/monitoring/prometheusrule.yaml"), &text);
}

/// Rows of the table of values: name, default and description of each.
fn values(properties: &Value, defaults: &Value, prefix: &str, table: &mut String) {
    for (name, property) in properties.as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        let path = format!("{prefix}{name}");
        let default = &defaults[name];
        if let Some(inner) = property.get("properties") {
            values(inner, default, &format!("{path}."), table);
        } else if path != "global" {
            let default = serde_json::to_string(default).unwrap().replace('|', "\\|");
            let description = property["description"].as_str().unwrap().replace('|', "\\|");
            writeln!(table, "| `{path}` | `{default}` | {description} |").unwrap();
        }
    }
}

#[test]
fn the_chart_lists_its_values() {
    const BEGIN: &str = "<!-- Generated from values.schema.json and values.yaml. Do not edit; run .ci/generate. -->\n";
    const END: &str = "<!-- End of the generated part. -->\n";
    let chart = repository().join("charts/oauth-client-operator");
    let parse = |file: &str| -> Value { serde_yaml::from_str(&fs::read_to_string(chart.join(file)).unwrap()).unwrap() };
    let mut table = String::from("| Value | Default | Description |\n|---|---|---|\n");
    values(
        &parse("values.schema.json")["properties"],
        &parse("values.yaml"),
        "",
        &mut table,
    );
    let page = fs::read_to_string(chart.join("README.md")).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    keep(
        &chart.join("README.md"),
        &format!("{before}{BEGIN}\n{table}\n{END}{after}"),
    );
}

/// The tables of the decision table are those of the code; what stands between them is written by hand.
#[test]
fn the_decision_table_has_the_rows_of_the_code() {
    let page = repository().join("docs/decisions.md");
    let mut text = fs::read_to_string(&page).unwrap();
    let parts = [
        Part::Before,
        Part::First,
        Part::Restore,
        Part::Create,
        Part::Keep,
        Part::Recreate,
        Part::Delete,
        Part::Gone,
    ];
    for part in parts {
        let begin = format!("<!-- rows: {part:?} -->\n");
        let from = text.find(&begin).unwrap_or_else(|| panic!("no table of {part:?}")) + begin.len();
        let to = from + text[from..].find("<!-- end of rows -->").unwrap();
        let mut table = "| row | when | then |\n|---|---|---|\n".to_owned();
        for row in Row::ALL.iter().filter(|row| row.part() == part) {
            writeln!(table, "| {row:?} | {} | {} |", row.when(), row.then()).unwrap();
        }
        text.replace_range(from..to, &table);
    }
    keep(&page, &text);
}

#[test]
fn the_entries_for_argo_cd_hold_the_health_script() {
    let directory = repository().join("deploy/argocd");
    let script = fs::read_to_string(directory.join("health.lua")).unwrap();
    let mut entries = String::from("# Generated from health.lua. Do not edit; run .ci/generate.\ndata:\n");
    for kind in ["OAuthClient", "OAuthProvider", "ClusterOAuthProvider"] {
        writeln!(
            entries,
            "  resource.customizations.health.oauth-client-operator.dev_{kind}: |"
        )
        .unwrap();
        for line in script.lines() {
            writeln!(entries, "{}", format!("    {line}").trim_end()).unwrap();
        }
    }
    keep(&directory.join("argocd-cm.yaml"), &entries);
}

/// One table of the matrix, from rows of the golden file of these kinds.
fn matrix(golden: &str, kinds: &[&str], title: &str) -> String {
    let cell = |text: &str| format!(" {} |", text.replace('|', "\\|"));
    let row = |line: &str| {
        line.split('\t')
            .skip(1)
            .fold("|".to_owned(), |row, text| row + &cell(text))
            + "\n"
    };
    let header = golden.lines().next().unwrap().replacen("server", title, 1);
    let second = match kinds {
        ["dialect"] => "seen at",
        ["profile"] => "known from",
        _ => "version",
    };
    let header = header.replacen("version", second, 1);
    let columns = header.split('\t').count() - 1;
    let rows = golden
        .lines()
        .skip(1)
        .filter(|line| kinds.contains(&line.split('\t').next().unwrap_or_default()));
    row(&header) + "|" + &"---|".repeat(columns) + "\n" + &rows.map(row).collect::<String>()
}

#[test]
fn the_matrix_of_providers_shows_the_golden_rows() {
    let golden = fs::read_to_string(repository().join("tests/golden/lifecycle.tsv")).unwrap();
    let page = format!(
        "# Tested providers\n\n\
         <!-- Generated from tests/golden/lifecycle.tsv. Do not edit; run .ci/generate. -->\n\n\
         A test registers, uses, changes and deletes a client at each of these servers. The columns show the result.\n\n\
         - **registration** and **update**: `Ready`, or the reason that the condition `Ready` has.\n\
         - **as requested**: the condition `AsRequested` after the registration, and the members of `status.effective`: those that the \
         server registered with another value than it was asked for.\n\
         - **token** and **token after it**: whether the credentials in the Secret obtain an access token.\n\
         - **new secret**: whether the update issued a new `client_secret`. The operator writes it to the Secret.\n\
         - **clearing**: the value of `management.clearing` with which the update removed `client_uri` and `policy_uri`, or *none*.\n\
         - **substitutes**: the members that the server registered with other values than it was asked for, or *none*. \
         [Capabilities](../certify.md#capabilities) describes both.\n\
         - **deletion**: *deleted*, or *left, listed*: the client stays at the provider and \
         `oauth-client-operator suspects list` shows it.\n\
         - **without its token**: the result of an update and of a deletion if the registration access token is no longer valid.\n\
         - `-`: does not apply, or was not observed.\n\n\
         The second token request of a client at idpyoidc fails with an error of that server (500).\n\n\
         ## Servers\n\n{}\n\
         ## Emulated servers\n\n\
         These servers are not available as packages. The tests use an emulation of their documented behavior.\n\n{}\n\
         ## Profiles without a real server\n\n\
         The tests run the profile against an emulation of the known deviations. The column *known from* says where they are known from; \
         what is assumed is named.\n\n{}\n\
         ## Deviations\n\n\
         Each row is one deviation from RFC 7591 or RFC 7592, and servers that have it.\n\n{}",
        matrix(&golden, &["server"], "server"),
        matrix(&golden, &["double"], "server"),
        matrix(&golden, &["profile"], "profile"),
        matrix(&golden, &["dialect"], "deviation"),
    );
    keep(&repository().join("docs/providers/matrix.md"), &page);
}
