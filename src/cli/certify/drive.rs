//! One run: the life of a throw-away client, step by step.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::api::{Capabilities, Condition, OAuthClient, ProviderSettings, Reason, Verify};
use crate::domain::{capability, profile, status};

use super::Problem;
use super::cluster::{Cluster, Provider};
use super::report::{Run, Step};

/// Time between two looks at an object.
const LOOK: Duration = Duration::from_millis(500);
/// How long the operator has to write what the last call showed.
const WRITTEN: Duration = Duration::from_mins(1);
/// Members that nothing depends on, to be removed again. Not every server shows each of them.
const CLIENT: &str = "https://certify.example/";
const POLICY: &str = "https://certify.example/policy";

/// What is asked of the run.
pub(super) struct Plan {
    pub redirect_uri: String,
    pub grant_types: Vec<String>,
    /// How long each step may take.
    pub limit: Duration,
}

/// Drives a throw-away client through its life. Whatever happens after it was created, its deletion is asked for.
pub(super) async fn drive(cluster: &Cluster, plan: &Plan) -> Result<Run, Problem> {
    let provider = cluster.provider().await?;
    end_former(cluster, plan).await?;
    let mut run = Run {
        provider: cluster.provider_text(),
        profile: provider.settings.profile.name(),
        knobs: profile::settings(&provider.settings),
        own_token: own_token(&provider.settings),
        tries: provider.settings.verify == Verify::Auto,
        issuer: None,
        client_id: None,
        discovered: discovered(cluster, plan).await?,
        registered: Step::Skipped("the endpoints of the provider are not known".to_owned()),
        verified: skipped(),
        changed: skipped(),
        cleared: skipped(),
        deleted: skipped(),
        capabilities: Capabilities::default(),
    };
    if run.discovered == Step::Done {
        live(cluster, plan, &mut run).await?;
    }
    let status = cluster.provider().await?.status;
    (run.issuer, run.capabilities) = (status.issuer, status.capabilities.unwrap_or_default());
    Ok(run)
}

fn own_token(settings: &ProviderSettings) -> bool {
    let all = [
        &settings.discovery_auth,
        &settings.registration_auth,
        &settings.management_auth,
    ];
    let mut all = all.into_iter().flatten();
    all.any(|auth| auth.service_account_token.is_some())
}

fn skipped() -> Step {
    Step::Skipped("no client was registered".to_owned())
}

/// Ends what an interrupted run has left.
async fn end_former(cluster: &Cluster, plan: &Plan) -> Result<(), Problem> {
    let Some(former) = cluster.object().await? else {
        return Ok(());
    };
    if !capability::is_throw_away(&former) {
        return Err(Problem(format!(
            "{} exists and is not one of certify; choose another name with --name",
            cluster.text()
        )));
    }
    eprintln!("{} of an earlier run is deleted first", cluster.text());
    match end(cluster, plan, &former).await? {
        Step::Failed { message, .. } => Err(Problem(message)),
        Step::Done | Step::Skipped(_) => Ok(()),
    }
}

/// From the registration to the deletion.
async fn live(cluster: &Cluster, plan: &Plan, run: &mut Run) -> Result<(), Problem> {
    let mut spec = json!({
        "redirectURIs": [plan.redirect_uri],
        "clientURI": CLIENT,
        "policyURI": POLICY,
    });
    if !plan.grant_types.is_empty() {
        spec["grantTypes"] = json!(plan.grant_types);
    }
    let object = cluster.create(spec).await?;
    // What fails from here on is told after the object is deleted.
    let lived = change(cluster, plan, run, &object).await;
    let ended = end(cluster, plan, &object).await;
    lived?;
    run.deleted = ended?;
    if run.client_id.is_some() && run.deleted == Step::Done {
        written(cluster, &object).await?;
    }
    Ok(())
}

async fn change(cluster: &Cluster, plan: &Plan, run: &mut Run, object: &OAuthClient) -> Result<(), Problem> {
    let uid = object.uid().unwrap_or_default();
    let (step, seen) = settled(cluster, plan, object).await?;
    run.client_id = seen.status.as_ref().and_then(|status| status.client_id.clone());
    run.verified = verified(&seen);
    let registered = step == Step::Done || status::is_true(&seen, "SecretSynced");
    run.registered = if registered { Step::Done } else { step.clone() };
    if step != Step::Done {
        return Ok(());
    }
    let changed = json!({"redirectURIs": [format!("{}/changed", plan.redirect_uri.trim_end_matches('/'))]});
    run.changed = changed_to(cluster, plan, &uid, &changed).await?;
    run.cleared = if run.changed == Step::Done {
        changed_to(cluster, plan, &uid, &json!({"clientURI": null, "policyURI": null})).await?
    } else {
        Step::Skipped("the provider accepts no update".to_owned())
    };
    Ok(())
}

async fn changed_to(cluster: &Cluster, plan: &Plan, uid: &str, spec: &Value) -> Result<Step, Problem> {
    let object = cluster.change(uid, spec).await?;
    Ok(settled(cluster, plan, &object).await?.0)
}

/// Waits until the provider object is judged.
async fn discovered(cluster: &Cluster, plan: &Plan) -> Result<Step, Problem> {
    let begin = Instant::now();
    loop {
        let Provider { generation, status, .. } = cluster.provider().await?;
        let is = |type_: &str| true_since(&status.conditions, type_, generation);
        if is("Ready").is_some() {
            return Ok(Step::Done);
        }
        if let Some(stalled) = is("Stalled") {
            return Ok(failed(stalled));
        }
        if begin.elapsed() > plan.limit {
            return Ok(waited(&status.conditions, &cluster.provider_text(), plan));
        }
        sleep(LOOK).await;
    }
}

/// Waits until there is a verdict for this generation of the throw-away client.
async fn settled(cluster: &Cluster, plan: &Plan, object: &OAuthClient) -> Result<(Step, OAuthClient), Problem> {
    let (begin, generation) = (Instant::now(), object.metadata.generation);
    loop {
        let seen = cluster.object().await?.filter(|seen| seen.uid() == object.uid());
        let Some(seen) = seen.filter(|seen| seen.metadata.deletion_timestamp.is_none()) else {
            return Err(Problem(format!(
                "{} was deleted by somebody else, perhaps by another run; run the command again",
                cluster.text()
            )));
        };
        if status::is_judged_ready(&seen) && seen.metadata.generation >= generation {
            return Ok((Step::Done, seen));
        }
        let conditions = seen.status.iter().flat_map(|status| status.conditions.clone());
        let conditions: Vec<Condition> = conditions.collect();
        if let Some(stalled) = true_since(&conditions, "Stalled", generation) {
            return Ok((failed(stalled), seen));
        }
        if begin.elapsed() > plan.limit {
            return Ok((waited(&conditions, &cluster.text(), plan), seen));
        }
        sleep(LOOK).await;
    }
}

/// What condition `Verified` says.
fn verified(object: &OAuthClient) -> Step {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    match conditions.into_iter().find(|condition| condition.type_ == "Verified") {
        Some(verified) if verified.status == "True" => Step::Done,
        Some(verified) if verified.status == "False" => failed(verified),
        Some(verified) => Step::Skipped(verified.message.clone()),
        None => Step::Skipped("the credentials were not tried".to_owned()),
    }
}

/// Deletes the object and waits until it is gone.
async fn end(cluster: &Cluster, plan: &Plan, object: &OAuthClient) -> Result<Step, Problem> {
    cluster.delete(&object.uid().unwrap_or_default()).await?;
    let begin = Instant::now();
    loop {
        let seen = cluster.object().await?.filter(|seen| seen.uid() == object.uid());
        let Some(seen) = seen else {
            return Ok(Step::Done);
        };
        if begin.elapsed() > plan.limit {
            let conditions = seen.status.unwrap_or_default().conditions;
            return Ok(waited(&conditions, &cluster.text(), plan));
        }
        sleep(LOOK).await;
    }
}

/// Waits until the status of the provider object tells what the calls for this object have shown.
async fn written(cluster: &Cluster, object: &OAuthClient) -> Result<(), Problem> {
    let begin = Instant::now();
    while cluster.provider().await?.status.certified != object.uid() {
        if begin.elapsed() > WRITTEN {
            eprintln!(
                "the operator does not confirm that it has written everything that it saw, so the report may lack something"
            );
            break;
        }
        sleep(LOOK).await;
    }
    Ok(())
}

fn true_since<'a>(conditions: &'a [Condition], type_: &str, generation: Option<i64>) -> Option<&'a Condition> {
    let is_of = |condition: &&Condition| condition.type_ == type_ && condition.status == "True";
    let found = conditions.iter().find(is_of)?;
    (found.observed_generation >= generation).then_some(found)
}

fn failed(condition: &Condition) -> Step {
    Step::Failed {
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    }
}

/// The step took too long; what the object says meanwhile.
fn waited(conditions: &[Condition], text: &str, plan: &Plan) -> Step {
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    let said = ready.map_or("it has no status; is the operator running?", |ready| {
        ready.message.as_str()
    });
    Step::Failed {
        reason: ready
            .map_or(Reason::Progressing.as_str(), |ready| ready.reason.as_str())
            .to_owned(),
        message: format!("{text} is not settled after {} s: {said}", plan.limit.as_secs()),
    }
}
