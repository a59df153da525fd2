//! Messages to domain types and back.

mod explanation;
mod lists;
mod permit;
mod violations;

use api::{
    authz::v1::{
        self as wire, AttributeSet, BatchCheckRequest, CheckRequest, ExplainRequest, GrantReference, ListPermissionsRequest,
        ListPermissionsResponse, Verdict,
        batch_check_response::{QueryError, Result as BatchResult, result::Result as OneResult},
        consistency::Requirement as ConsistencyRequirement,
        list_permissions_response::ConditionalPermission,
    },
    error::v1::Reason,
};
use client::token::Token;
use decision::{
    decision::{Decision, Invalid, Outcome, Query},
    name::{NodeName, UserName, is_identifier},
};
use replica::{Consistency, Freshness, wire::read_values};
use tonic::Status;

pub(crate) use self::explanation::write_explanation;
pub(crate) use self::lists::{
    Listing, Preview, Who, read_list_assignable, read_list_permitted, read_list_resources, read_list_standings, read_preview,
    read_tree_rules, write_assignable, write_permitted, write_preview, write_resources, write_standings, write_tree_rules,
};
pub(crate) use self::permit::{read_filter, read_get_permit, write_permit};
use self::violations::Violations;
use crate::status;

/// As the contract says.
const MOST_QUERIES: usize = 1_000;
const MOST_ATTRIBUTES: usize = 50;

/// The permission that a question without one is asked with; every model has it.
const ANY_PERMISSION: &str = "organization.get";

pub(crate) fn read_check(message: CheckRequest) -> Result<(Query, Consistency), Status> {
    let mut violations = Violations::default();
    let query = read_query(&mut violations, "query.", message.query);
    let consistency = read_consistency(&mut violations, message.consistency);
    violations.none_in((query, consistency))
}

pub(crate) fn read_explain(message: ExplainRequest) -> Result<(Query, Consistency), Status> {
    read_check(CheckRequest { query: message.query, consistency: message.consistency })
}

/// A malformed question is its own error; everything else is the call's.
pub(crate) fn read_batch_check(message: BatchCheckRequest) -> Result<(Vec<Result<Query, Violations>>, Consistency), Status> {
    let mut violations = Violations::default();
    if message.queries.is_empty() || message.queries.len() > MOST_QUERIES {
        violations.add("queries", format!("give 1 to {MOST_QUERIES} questions, not {}", message.queries.len()));
    }
    let consistency = read_consistency(&mut violations, message.consistency);
    let ((), consistency) = violations.none_in((Some(()), consistency))?;
    let queries = message.queries.into_iter().enumerate().map(|(index, query)| {
        let mut own = Violations::default();
        match read_query(&mut own, &format!("queries[{index}]."), Some(query)) {
            Some(query) => Ok(query),
            None => Err(own),
        }
    });
    Ok((queries.collect(), consistency))
}

pub(crate) fn read_list_permissions(message: ListPermissionsRequest) -> Result<(Query, Consistency), Status> {
    let ListPermissionsRequest { user, resource, attributes, consistency } = message;
    let mut violations = Violations::default();
    let query = wire::Query { user, permission: ANY_PERMISSION.to_owned(), resource, attributes };
    let query = read_query(&mut violations, "", Some(query));
    let consistency = read_consistency(&mut violations, consistency);
    violations.none_in((query, consistency))
}

fn read_query(violations: &mut Violations, path: &str, message: Option<wire::Query>) -> Option<Query> {
    let Some(message) = message else {
        violations.add(path.trim_end_matches('.'), "required");
        return None;
    };
    let user = violations.name(format!("{path}user"), UserName::parse(&message.user));
    let permission = read_permission(violations, format!("{path}permission"), message.permission);
    let resource = violations.name(format!("{path}resource"), NodeName::parse(&message.resource));
    if message.attributes.len() > MOST_ATTRIBUTES {
        violations.add(format!("{path}attributes"), format!("at most {MOST_ATTRIBUTES}, not {}", message.attributes.len()));
    }
    let attributes = match read_values(&message.attributes) {
        Ok(attributes) => Some(attributes),
        Err(attribute) => {
            let problem = "give text, true or false, a whole number or a list of text";
            violations.add_because(Reason::InvalidAttribute, format!("{path}attributes.{attribute}"), problem);
            None
        }
    };
    if violations.is_empty() {
        Some(Query { user: user?, permission: permission?, resource: resource?, attributes: attributes? })
    } else {
        None
    }
}

fn read_permission(violations: &mut Violations, path: String, text: String) -> Option<String> {
    if text.split_once('.').is_some_and(|(component, action)| is_identifier(component) && is_identifier(action)) {
        return Some(text);
    }
    violations.add(path, "not a permission like `campaigns.run_actual`");
    None
}

fn read_consistency(violations: &mut Violations, message: Option<wire::Consistency>) -> Option<Consistency> {
    let Some(message) = message else { return Some(Consistency::default()) };
    let max_staleness = match u64::try_from(message.max_staleness_ms) {
        Ok(0) => None,
        Ok(limit) => Some(std::time::Duration::from_millis(limit)),
        Err(_) => {
            violations.add("consistency.max_staleness_ms", "not negative; leave it out for the replica's own limit");
            None
        }
    };
    let freshness = match message.requirement {
        Some(ConsistencyRequirement::AtLeastAsFresh(token)) => {
            Freshness::AtLeast(read_token(violations, "consistency.at_least_as_fresh", &token)?)
        }
        Some(ConsistencyRequirement::FullyConsistent(true)) => Freshness::Full,
        Some(ConsistencyRequirement::MinimizeLatency(_) | ConsistencyRequirement::FullyConsistent(false)) | None => {
            Freshness::MinimizeLatency
        }
    };
    Some(Consistency { freshness, max_staleness })
}

fn read_token(violations: &mut Violations, path: &str, text: &str) -> Option<Token> {
    Token::parse(text).map_err(|malformed| violations.add_because(Reason::InvalidToken, path, malformed.to_string())).ok()
}

pub(crate) fn write_decision(decided: &Decision) -> wire::Decision {
    let (verdict, reason, message, grant, missing) = match &decided.outcome {
        Outcome::Allow(grant) => {
            let message = format!("`{}` gives `{}` at `{}`", grant.binding, grant.role, grant.node);
            let grant =
                GrantReference { role_binding: grant.binding.to_string(), role: grant.role.to_string(), node: grant.node.to_string() };
            (Verdict::Allow, "", message, Some(grant), Vec::new())
        }
        Outcome::Deny(reason) => (Verdict::Deny, reason.code(), reason.to_string(), None, Vec::new()),
        Outcome::Conditional(missing) => {
            let message = "it depends on attributes that were not given".to_owned();
            (Verdict::Conditional, "", message, None, write_missing(missing))
        }
    };
    let condition_errors =
        decided.condition_errors.iter().map(|error| format!("`{}`, condition `{}`: {}", error.binding, error.condition, error.message));
    wire::Decision {
        verdict: verdict.into(),
        reason: reason.to_owned(),
        message,
        grant,
        missing,
        condition_errors: condition_errors.collect(),
    }
}

fn write_missing(missing: &std::collections::BTreeSet<std::collections::BTreeSet<String>>) -> Vec<AttributeSet> {
    missing.iter().map(|set| AttributeSet { attributes: set.iter().cloned().collect() }).collect()
}

pub(crate) fn write_result(decided: Result<Decision, QueryError>) -> BatchResult {
    let result = match decided {
        Ok(decision) => OneResult::Decision(write_decision(&decision)),
        Err(error) => OneResult::Error(error),
    };
    BatchResult { result: Some(result) }
}

pub(crate) fn write_malformed(violations: Violations) -> QueryError {
    QueryError { reason: reason_word(violations.reason()), message: violations.to_string() }
}

pub(crate) fn write_invalid(error: &Invalid) -> QueryError {
    QueryError { reason: reason_word(status::reason_of(error)), message: error.to_string() }
}

fn reason_word(reason: Reason) -> String {
    reason.as_str_name().trim_start_matches("REASON_").to_owned()
}

pub(crate) fn write_permissions(listed: Vec<(String, Outcome)>, decided_at: Token) -> ListPermissionsResponse {
    let mut answer = ListPermissionsResponse { complete: true, revision: decided_at.to_string(), ..ListPermissionsResponse::default() };
    for (permission, outcome) in listed {
        match outcome {
            Outcome::Allow(_) => answer.permissions.push(permission),
            Outcome::Conditional(missing) => {
                answer.conditional.push(ConditionalPermission { permission, missing: write_missing(&missing) })
            }
            Outcome::Deny(_) => {}
        }
    }
    answer.permissions.sort_unstable();
    answer.conditional.sort_unstable_by(|a, b| a.permission.cmp(&b.permission));
    answer
}
