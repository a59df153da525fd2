use std::collections::BTreeMap;

use api::authz::v1::{
    AttributeSet, BatchCheckRequest, CheckRequest, Consistency, Decision, ExplainRequest, ListPermissionsRequest, Query, Verdict,
    batch_check_response::result::Result as OneResult, check_service_server::CheckService, consistency::Requirement,
};
use chassis::{Deadline, Identity};
use client::token::Token;
use decision::{
    name::UserName,
    record::{Record, User},
};
use prost_types::{Value, value::Kind};
use replica::wire;
use tonic::{Code, Status};

use super::world::{Service, call, reason, service, token};

fn query(user: &str, permission: &str, resource: &str) -> Query {
    let resource = format!("organizations/{resource}");
    Query { user: format!("users/{user}"), permission: permission.into(), resource, attributes: BTreeMap::new() }
}

fn with(mut query: Query, attribute: &str, number: f64) -> Query {
    query.attributes.insert(attribute.into(), Value { kind: Some(Kind::NumberValue(number)) });
    query
}

fn at_least(token: Token) -> Option<Consistency> {
    Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh(token.to_string())), max_staleness_ms: 0 })
}

async fn check_as(service: &Service, actor: Option<&str>, query: Query) -> Result<Decision, Status> {
    let request = call("services/console", actor, CheckRequest { query: Some(query), consistency: None });
    Ok(service.checks().check(request).await?.into_inner().decision.unwrap())
}

async fn check(service: &Service, query: Query) -> Result<Decision, Status> {
    check_as(service, None, query).await
}

const CAMPAIGN: &str = "acme/accounts/a1/campaigns/42";

#[tokio::test]
async fn a_check_says_by_which_grant_or_why_not() {
    let service = service().await;
    let allowed = check(&service, query("mona", "campaigns.update", CAMPAIGN)).await.unwrap();
    assert_eq!((allowed.verdict(), allowed.grant.unwrap().role_binding.as_str()), (Verdict::Allow, "organizations/acme/roleBindings/m1"));
    for (who, permission, resource, reason) in [
        ("mona", "campaigns.update", "acme/accounts/a2/campaigns/42", "NO_GRANT"),
        ("carl", "campaigns.update", CAMPAIGN, "NO_GRANT"),
        ("sven", "campaigns.update", CAMPAIGN, "USER_SUSPENDED"),
        ("mona", "campaigns.update", "nowhere", "RESOURCE_UNKNOWN"),
        ("mona", "campaigns.spend", "acme", "TYPE_NOT_APPLICABLE"),
    ] {
        let denied = check(&service, query(who, permission, resource)).await.unwrap();
        assert_eq!((denied.verdict(), denied.reason.as_str()), (Verdict::Deny, reason), "{who} {permission} {resource}");
    }
}

#[tokio::test]
async fn what_depends_on_an_attribute_says_which_and_is_decided_when_it_is_given() {
    let service = service().await;
    let spend = query("mona", "campaigns.spend", CAMPAIGN);
    let conditional = check(&service, spend.clone()).await.unwrap();
    assert_eq!(conditional.verdict(), Verdict::Conditional);
    assert_eq!(conditional.missing, [AttributeSet { attributes: vec!["budget".into()] }]);
    assert_eq!(check(&service, with(spend.clone(), "budget", 99.0)).await.unwrap().verdict(), Verdict::Allow);
    assert_eq!(check(&service, with(spend, "budget", 100.0)).await.unwrap().reason, "NO_GRANT");
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_an_invalid_argument_with_its_reason() {
    let service = service().await;
    let good = query("mona", "campaigns.update", CAMPAIGN);
    for (wrong, expected) in [
        (Query { user: "mona".into(), ..good.clone() }, "INVALID_FIELD"),
        (Query { permission: "update".into(), ..good.clone() }, "INVALID_FIELD"),
        (Query { resource: "organizations/acme/groups/g".into(), ..good.clone() }, "INVALID_FIELD"),
        (query("mona", "campaigns.fly", CAMPAIGN), "UNKNOWN_PERMISSION"),
        (query("mona", "campaigns.update", "acme/deals/1"), "UNKNOWN_COLLECTION"),
        (with(good.clone(), "live", 1.0), "INVALID_ATTRIBUTE"),
        (with(good.clone(), "budget", 1.5), "INVALID_ATTRIBUTE"),
    ] {
        let status = check(&service, wrong.clone()).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, expected), "{wrong:?}");
    }
    let request = CheckRequest {
        query: Some(good),
        consistency: Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh("t42".into())), max_staleness_ms: 0 }),
    };
    let status = service.checks().check(call("services/console", None, request)).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_TOKEN");
    let status = service.checks().check(call("services/console", None, CheckRequest::default())).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELD");
}

#[tokio::test]
async fn a_user_asks_about_themselves_only() {
    let service = service().await;
    let about_mona = || query("mona", "campaigns.update", CAMPAIGN);
    assert_eq!(check_as(&service, Some("users/mona"), about_mona()).await.unwrap().verdict(), Verdict::Allow);
    assert_eq!(check_as(&service, Some("users/platform"), about_mona()).await.unwrap().verdict(), Verdict::Allow);
    let status = check_as(&service, Some("users/olga"), about_mona()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
    let batch = BatchCheckRequest { queries: vec![query("olga", "campaigns.view", CAMPAIGN), about_mona()], consistency: None };
    assert_eq!(
        service.checks().batch_check(call("services/console", Some("users/olga"), batch)).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn to_an_end_user_foreign_and_unknown_look_the_same() {
    let service = service().await;
    let mut seen = Vec::new();
    for organization in ["acme", "nowhere"] {
        for (permission, place) in [
            ("campaigns.update", "/accounts/a1/campaigns/42"),
            ("campaigns.update", "/workspaces/none"),
            ("campaigns.spend", ""),
            ("campaigns.fly", ""),
            ("campaigns.update", "/deals/1"),
        ] {
            let query = query("carl", permission, &format!("{organization}{place}"));
            seen.push(check_as(&service, Some("users/carl"), query.clone()).await.unwrap());
            let explain = ExplainRequest { query: Some(query), consistency: None };
            let why = service.checks().explain(call("services/console", Some("users/carl"), explain)).await.unwrap().into_inner();
            assert!(why.gates.is_empty() && why.bindings.is_empty());
            seen.push(why.decision.unwrap());
        }
        let list = ListPermissionsRequest {
            user: "users/carl".into(),
            resource: format!("organizations/{organization}/deals/1"),
            ..Default::default()
        };
        let listed = service.checks().list_permissions(call("services/console", Some("users/carl"), list)).await.unwrap().into_inner();
        assert!(listed.permissions.is_empty() && listed.conditional.is_empty() && listed.complete);
    }
    assert!(seen.iter().all(|decision| *decision == seen[0]) && seen[0].reason == "NO_GRANT", "{seen:?}");
    // Whoever belongs there is told: a member, and who holds something by a sponsor.
    let member = check_as(&service, Some("users/mona"), query("mona", "campaigns.spend", "acme")).await.unwrap();
    assert_eq!(member.reason, "TYPE_NOT_APPLICABLE");
    let partner = check_as(&service, Some("users/pia"), query("pia", "people.admins", "acme/accounts/a1")).await.unwrap();
    assert_eq!(partner.reason, "TYPE_NOT_APPLICABLE");
}

#[tokio::test]
async fn a_batch_is_decided_on_one_view_and_an_invalid_item_is_its_own_error() {
    let service = service().await;
    let mut checks = service.checks();
    let queries = vec![
        query("mona", "campaigns.update", CAMPAIGN),
        Query { resource: "acme".into(), ..query("mona", "campaigns.update", CAMPAIGN) },
        query("mona", "campaigns.fly", CAMPAIGN),
        query("carl", "campaigns.update", CAMPAIGN),
    ];
    let request = BatchCheckRequest { queries, consistency: None };
    let answer = checks.batch_check(call("services/console", None, request)).await.unwrap().into_inner();
    let results: Vec<String> = answer
        .results
        .into_iter()
        .map(|result| match result.result.unwrap() {
            OneResult::Decision(decision) => format!("{:?} {}", decision.verdict(), decision.reason),
            OneResult::Error(error) => error.reason,
        })
        .collect();
    assert_eq!(results, ["Allow ", "INVALID_FIELD", "UNKNOWN_PERMISSION", "Deny NO_GRANT"]);
    assert_eq!(token(&answer.revision), service.ledger.token());
    for count in [0, 1_001] {
        let queries = vec![query("mona", "campaigns.update", CAMPAIGN); count];
        let status =
            checks.batch_check(call("services/console", None, BatchCheckRequest { queries, consistency: None })).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELD");
    }
    let queries = vec![query("mona", "campaigns.update", CAMPAIGN); 1_000];
    let answer = checks.batch_check(call("services/console", None, BatchCheckRequest { queries, consistency: None })).await.unwrap();
    assert_eq!(answer.into_inner().results.len(), 1_000);
}

#[tokio::test]
async fn permissions_are_listed_in_order_and_agree_with_checks() {
    let service = service().await;
    let request = ListPermissionsRequest { user: "users/mona".into(), resource: format!("organizations/{CAMPAIGN}"), ..Default::default() };
    let listed = service.checks().list_permissions(call("services/console", None, request)).await.unwrap().into_inner();
    assert_eq!(listed.permissions, ["campaigns.update", "campaigns.view"]);
    assert_eq!(listed.conditional.iter().map(|one| one.permission.as_str()).collect::<Vec<_>>(), ["campaigns.spend"]);
    assert!(listed.complete);
    for permission in listed.permissions {
        assert_eq!(check(&service, query("mona", &permission, CAMPAIGN)).await.unwrap().verdict(), Verdict::Allow);
    }
    let unknown = ListPermissionsRequest { user: "users/mona".into(), resource: "organizations/acme/deals/1".into(), ..Default::default() };
    let status = service.checks().list_permissions(call("services/console", None, unknown)).await.unwrap_err();
    assert_eq!(reason(&status), "UNKNOWN_COLLECTION");
}

#[tokio::test]
async fn an_explanation_decides_as_a_check_does_and_tells_gates_and_bindings() {
    let service = service().await;
    for (who, permission, resource) in [
        ("mona", "campaigns.update", CAMPAIGN),
        ("mona", "campaigns.spend", CAMPAIGN),
        ("pia", "campaigns.update", CAMPAIGN),
        ("carl", "campaigns.update", CAMPAIGN),
        ("sven", "people.admins", "acme"),
        ("mona", "campaigns.update", "nowhere"),
        ("olga", "organization.get", "customer"),
    ] {
        let asked = query(who, permission, resource);
        let request = ExplainRequest { query: Some(asked.clone()), consistency: None };
        let why = service.checks().explain(call("services/console", None, request)).await.unwrap().into_inner();
        assert_eq!(why.decision.unwrap(), check(&service, asked).await.unwrap(), "{who} {permission} {resource}");
        assert_eq!(why.gates.len(), if resource == "nowhere" { 0 } else { 8 });
        if (who, permission) == ("mona", "campaigns.update") && resource == CAMPAIGN {
            let outcomes: Vec<_> = why.bindings.iter().map(|binding| (binding.role_binding.as_str(), binding.outcome.as_str())).collect();
            assert!(outcomes.contains(&("organizations/acme/roleBindings/m1", "GRANTS")), "{outcomes:?}");
            assert!(why.bindings.iter().all(|binding| binding.principal == "users/mona" && !binding.steps.is_empty()));
            assert!(why.gates.iter().all(|gate| gate.open));
        }
    }
}

#[tokio::test]
async fn a_check_with_a_token_sees_the_write() {
    let service = service().await;
    let mut checks = service.checks();
    let name = UserName::parse("users/mona").unwrap();
    for round in 0..200 {
        let suspended = round % 2 == 0;
        let written = service
            .ledger
            .commit(&["users/mona"], vec![wire::write(&Record::User(User { name: name.clone(), suspended, confined_to: None })).unwrap()]);
        let request = CheckRequest { query: Some(query("mona", "campaigns.update", CAMPAIGN)), consistency: at_least(written) };
        let answer = checks.check(call("services/console", None, request)).await.unwrap().into_inner();
        assert_eq!(answer.decision.unwrap().verdict(), if suspended { Verdict::Deny } else { Verdict::Allow }, "round {round}");
        assert!(token(&answer.revision).revision >= written.revision);
    }
    let full = Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)), max_staleness_ms: 0 });
    let request = CheckRequest { query: Some(query("mona", "campaigns.update", CAMPAIGN)), consistency: full };
    let answer = checks.check(call("services/console", None, request)).await.unwrap().into_inner();
    assert_eq!(token(&answer.revision), service.ledger.token());
}

#[tokio::test]
async fn a_token_of_the_future_is_unavailable_with_how_far_behind_and_one_of_another_history_a_failed_precondition() {
    let service = service().await;
    let head = service.ledger.token();
    let ask = |token| CheckRequest { query: Some(query("mona", "campaigns.update", CAMPAIGN)), consistency: at_least(token) };
    let mut request = call("services/console", None, ask(Token { revision: head.revision + 1, ..head }));
    request.extensions_mut().insert(Identity { caller: "services/console".into(), actor: None });
    request.extensions_mut().insert(Deadline::after(std::time::Duration::from_millis(30)));
    let status = CheckService::check(&service.authz, request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "NOT_FRESH"), "{status:?}");
    let other = Token { epoch: uuid::Uuid::from_u128(99), ..head };
    let status = service.checks().check(call("services/console", None, ask(other))).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "EPOCH_CHANGED"), "{status:?}");
}
