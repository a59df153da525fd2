//! `tenantry check` and `tenantry explain`.

use std::{collections::BTreeMap, fmt::Write, process::ExitCode};

use api::authz::v1::{CheckRequest, Consistency, Decision, ExplainRequest, ExplainResponse, Query, Verdict, consistency::Requirement};
use clap::Args;

use crate::{
    Failure,
    address::{Address, refusal},
};

#[derive(Args)]
struct Question {
    /// Who: `users/ann` or `ann`.
    user: String,
    /// What: `campaigns.run_actual`.
    permission: String,
    /// To what: `organizations/acme/workspaces/emea/campaigns/42` or `acme/workspaces/emea/campaigns/42`.
    resource: String,
    /// An attribute that the request gives: `amount=3`, `live=true`, `region=emea`, `tags=["a","b"]`. May be repeated.
    #[arg(long = "attribute", short = 'a', value_name = "ID=VALUE")]
    attributes: Vec<String>,
    /// Decide on a state that includes this write: the `revision` that it returned.
    #[arg(long, value_name = "TOKEN", conflicts_with = "fully_consistent")]
    at_least_as_fresh: Option<String>,
    /// Decide on the ledger's present state.
    #[arg(long)]
    fully_consistent: bool,
    #[command(flatten)]
    address: Address,
}

impl Question {
    fn query(&self) -> Result<Query, Failure> {
        Ok(Query {
            user: absolute("users/", &self.user),
            permission: self.permission.clone(),
            resource: absolute("organizations/", &self.resource),
            attributes: self.attributes.iter().map(|text| attribute(text)).collect::<Result<BTreeMap<_, _>, _>>()?,
        })
    }

    fn consistency(&self) -> Option<Consistency> {
        let requirement = match &self.at_least_as_fresh {
            Some(token) => Requirement::AtLeastAsFresh(token.clone()),
            None if self.fully_consistent => Requirement::FullyConsistent(true),
            None => return None,
        };
        Some(Consistency { requirement: Some(requirement), max_staleness_ms: 0 })
    }
}

/// A name, with its collection if it was left out.
pub(crate) fn absolute(collection: &str, name: &str) -> String {
    if name.starts_with(collection) { name.to_owned() } else { format!("{collection}{name}") }
}

/// What reads as JSON is that; everything else is text.
fn attribute(text: &str) -> Result<(String, prost_types::Value), Failure> {
    let Some((id, value)) = text.split_once('=') else {
        return Err(Failure::usage(format!("`{text}` is not an attribute; write it as `id=value`")));
    };
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((id.to_owned(), api::document::from_json(&value)))
}

/// Asks for the verdict.
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    question: Question,
}

/// Asks for the reasons.
#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    question: Question,
}

impl Check {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let request = CheckRequest { query: Some(self.question.query()?), consistency: self.question.consistency() };
        let address = &self.question.address;
        let answer = address.session()?.checks().check(request).await.map_err(|status| refusal(&status, &address.of_authz()))?.into_inner();
        let decision = answer.decision.unwrap_or_default();
        print(&verdict(&decision));
        Ok(exit_code(&decision))
    }
}

impl Explain {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let request = ExplainRequest { query: Some(self.question.query()?), consistency: self.question.consistency() };
        let address = &self.question.address;
        let answer =
            address.session()?.checks().explain(request).await.map_err(|status| refusal(&status, &address.of_authz()))?.into_inner();
        print(&tree(&answer));
        Ok(exit_code(&answer.decision.unwrap_or_default()))
    }
}

fn exit_code(decision: &Decision) -> ExitCode {
    match decision.verdict() {
        Verdict::Allow => ExitCode::SUCCESS,
        Verdict::Deny | Verdict::Unspecified => ExitCode::from(1),
        Verdict::Conditional => ExitCode::from(2),
    }
}

#[expect(clippy::print_stdout, reason = "the answer to the command")]
fn print(text: &str) {
    println!("{}", text.trim_end());
}

fn verdict(decision: &Decision) -> String {
    let mut text = match decision.verdict() {
        Verdict::Allow => match &decision.grant {
            Some(grant) => format!("ALLOW  by {} ({} at {})", grant.role_binding, grant.role, grant.node),
            None => "ALLOW".to_owned(),
        },
        Verdict::Deny | Verdict::Unspecified => format!("DENY  {}: {}", decision.reason, decision.message),
        Verdict::Conditional => {
            let sets: Vec<String> = decision.missing.iter().map(|set| set.attributes.join(" and ")).collect();
            format!("CONDITIONAL  on {}", sets.join(", or on "))
        }
    };
    for error in &decision.condition_errors {
        let _ = write!(text, "\n  a condition could not be evaluated: {error}");
    }
    text
}

fn tree(answer: &ExplainResponse) -> String {
    let mut text = verdict(&answer.decision.clone().unwrap_or_default());
    text.push_str("\ngates");
    for (at, gate) in answer.gates.iter().enumerate() {
        let branch = if at + 1 == answer.gates.len() { "└─" } else { "├─" };
        let state = if gate.open { "open  " } else { "CLOSED" };
        let _ = write!(text, "\n{branch} {state} {}", gate.reason);
        if !gate.detail.is_empty() {
            let _ = write!(text, ": {}", gate.detail);
        }
    }
    text.push_str("\nbindings");
    if answer.bindings.is_empty() {
        text.push_str("\n└─ none that reaches this user here");
    }
    for (at, binding) in answer.bindings.iter().enumerate() {
        let last = at + 1 == answer.bindings.len();
        let branch = if last { "└─" } else { "├─" };
        let _ = write!(
            text,
            "\n{branch} {:<11} {}: {} holds {} at {}",
            binding.outcome, binding.role_binding, binding.principal, binding.role, binding.node
        );
        if !binding.via.is_empty() {
            let _ = write!(text, ", through {}", binding.via.join(" in "));
        }
        for step in &binding.steps {
            let _ = write!(text, "\n{}   {step}", if last { " " } else { "│" });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::authz::v1::AttributeSet;

    #[test]
    fn attributes_are_read_as_json_or_as_text() {
        let kind = |text: &str| attribute(text).unwrap().1.kind.unwrap();
        use prost_types::value::Kind;
        assert_eq!(kind("live=true"), Kind::BoolValue(true));
        assert_eq!(kind("region=emea"), Kind::StringValue("emea".into()));
        assert_eq!(kind("amount=3"), Kind::NumberValue(3.0));
        assert_eq!(kind("note=a=b"), Kind::StringValue("a=b".into()));
        assert!(attribute("live").is_err());
    }

    #[test]
    fn a_conditional_verdict_names_what_is_missing() {
        let set = |ids: &[&str]| AttributeSet { attributes: ids.iter().map(ToString::to_string).collect() };
        let decision =
            Decision { verdict: Verdict::Conditional.into(), missing: vec![set(&["live"]), set(&["a", "b"])], ..Default::default() };
        assert_eq!(verdict(&decision), "CONDITIONAL  on live, or on a and b");
    }
}
