use std::collections::BTreeMap;

use api::{
    authz::v1::{
        CheckRequest, Consistency, FilterPermittedRequest, GetPermitRequest, Permit, Query, Requirement, Verdict,
        consistency::Requirement as Freshness,
    },
    feed::v1::{ComponentSet, NodeState, Record as Message, RoleBindingState, record::State},
};
use client::guard::{any_of, assign, change, define_role, delete_role, known, myself, permission, platform, revoke};
use decision::{
    name::{MemberName, UserName},
    record::{Member, Record, User},
};
use prost_types::{Value, value::Kind};
use replica::wire;
use tonic::{Code, Status};

use super::world::{NOW, Service, call, model, reason, service, token};

const DIRECTORY: &str = "services/directory";
const ACME: &str = "organizations/acme";
const A1: &str = "organizations/acme/accounts/a1";

async fn ask(service: &Service, request: GetPermitRequest) -> Result<Permit, Status> {
    Ok(service.permits().get_permit(call(DIRECTORY, None, request)).await?.into_inner())
}

fn wants(actor: &str, tree: &str, requirement: Requirement) -> GetPermitRequest {
    GetPermitRequest { actor: format!("users/{actor}"), requirements: vec![requirement], trees: vec![tree.into()], ..Default::default() }
}

fn bound(principal: &str, role: &str, node: &str) -> RoleBindingState {
    RoleBindingState {
        principal: principal.into(),
        role: format!("roleModels/sample/roles/{role}"),
        node: node.into(),
        ..Default::default()
    }
}

fn stamps(permit: &Permit) -> BTreeMap<&str, u64> {
    permit.stamps.iter().map(|stamp| (stamp.tree.as_str(), stamp.revision)).collect()
}

fn refused(answer: Result<Permit, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), reason(&status))
}

fn node(key: &str, state: NodeState) -> Message {
    Message { key: key.into(), skippable_from: 0, state: Some(State::Node(NodeState { lifecycle: 1, ..state })) }
}

#[tokio::test]
async fn a_permit_carries_the_stamps_of_all_that_it_rests_on_and_the_trees_terms() {
    let service = service().await;
    let permit = ask(&service, wants("olga", A1, permission("workspaces.create", ACME))).await.unwrap();
    assert_eq!(permit.written, [ACME]);
    assert_eq!(stamps(&permit), BTreeMap::from([(ACME, 2), ("users/olga", 2)]));
    assert_eq!((permit.role_model.as_str(), permit.role_model_revision, permit.platform), ("roleModels/sample", 1, false));
    let membership = permit.membership.unwrap();
    assert_eq!(membership.organization_roles, ["roleModels/sample/roles/owner", "roleModels/sample/roles/standard"]);
    assert_eq!(
        (membership.default_role.as_str(), membership.grant_joins, membership.leave),
        ("roleModels/sample/roles/standard", true, true)
    );
    assert_eq!(
        permit.required_roles.iter().map(|role| (role.role.as_str(), role.seats_least, role.seats_most)).collect::<Vec<_>>(),
        [("roleModels/sample/roles/owner", 1, 2)]
    );
    assert_eq!((permit.terms.len(), permit.expire_time, token(&permit.revision)), (1, None, service.ledger.token()));

    // Another commit to the actor's record moves its stamp, and only that.
    let olga = Record::User(User { name: UserName::parse("users/olga").unwrap(), suspended: false, confined_to: None });
    let written = service.ledger.commit(&["users/olga"], vec![wire::write(&olga).unwrap()]);
    let request = GetPermitRequest { at_least_as_fresh: written.to_string(), ..wants("olga", A1, permission("workspaces.create", ACME)) };
    assert_eq!(stamps(&ask(&service, request).await.unwrap()), BTreeMap::from([(ACME, 2), ("users/olga", 3)]));
}

#[tokio::test]
async fn a_permit_by_a_sponsored_binding_rests_on_the_sponsor_and_lapses_with_it() {
    let service = service().await;
    let permit = ask(&service, wants("pia", A1, permission("campaigns.update", A1))).await.unwrap();
    assert_eq!(stamps(&permit), BTreeMap::from([(ACME, 2), ("organizations/other", 2), ("users/pia", 2)]));
    assert_eq!(permit.expire_time.unwrap().seconds, NOW.0 / 1_000_000 + 7_200);
    let permit = ask(&service, wants("mona", A1, permission("campaigns.update", A1))).await.unwrap();
    assert_eq!(permit.expire_time.unwrap().seconds, NOW.0 / 1_000_000 + 3_600);
}

#[tokio::test]
async fn the_terms_say_what_the_role_model_says_of_each_role() {
    let service = service().await;
    let request = GetPermitRequest {
        requirements: vec![
            assign(bound("users/carl", "standard", ACME)),
            change("organizations/acme/roleBindings/mona-standard", bound("users/mona", "owner", ACME)),
            revoke("organizations/acme/roleBindings/m1"),
            known(),
        ],
        ..wants("olga", ACME, known())
    };
    let permit = ask(&service, request).await.unwrap();
    let [assigned, changed, revoked, none] = permit.terms.as_slice() else { panic!("{permit:?}") };
    let role = assigned.role.as_ref().unwrap();
    assert_eq!(
        (role.role.as_str(), role.held_at.as_str(), role.organizations.as_str()),
        ("roleModels/sample/roles/standard", "organization", "any")
    );
    assert_eq!(role.exclusive_set.len(), 2);
    assert!(!assigned.principal_is_member && changed.principal_is_member);
    assert_eq!((changed.role.as_ref().unwrap().seats_most, changed.present_role.as_ref().unwrap().seats_most), (2, 0));
    assert_eq!(revoked.role.as_ref().unwrap().role, "roleModels/sample/roles/manager");
    assert!(none.role.is_none());
}

#[tokio::test]
async fn what_an_actor_may_not_is_denied_with_its_reason() {
    let service = service().await;
    let denied = |reason: &str| (Code::PermissionDenied, reason.to_owned());
    for (actor, requirement) in [
        ("mona", permission("workspaces.create", ACME)),
        ("carl", permission("workspaces.create", ACME)),
        ("carl", permission("workspaces.create", "organizations/nowhere")),
        ("carl", revoke("organizations/acme/roleBindings/m1")),
        ("carl", revoke("organizations/acme/roleBindings/none")),
        ("carl", delete_role("organizations/acme/roles/none")),
        ("mona", assign(bound("users/carl", "standard", ACME))),
        ("mona", assign(bound("users/mona", "owner", ACME))),
        ("olga", platform()),
        ("olga", myself("users/mona")),
        ("sven", known()),
        ("nobody", known()),
        ("nobody", myself("users/nobody")),
    ] {
        assert_eq!(refused(ask(&service, wants(actor, ACME, requirement.clone())).await), denied("NOT_ALLOWED"), "{actor} {requirement:?}");
    }
    for (requirement, code, expected) in [
        (assign(bound("users/carl", "king", ACME)), Code::InvalidArgument, "UNKNOWN_ROLE"),
        (assign(bound("users/carl", "manager", ACME)), Code::InvalidArgument, "INVALID_BINDING"),
        (revoke("organizations/acme/roleBindings/none"), Code::NotFound, "NOT_FOUND"),
        (permission("campaigns.fly", ACME), Code::InvalidArgument, "UNKNOWN_PERMISSION"),
        (permission("campaigns.update", "organizations/acme/deals/1"), Code::InvalidArgument, "UNKNOWN_COLLECTION"),
        (define_role(wire::tombstone("organizations/acme/roles/r")), Code::InvalidArgument, "INVALID_FIELD"),
        (assign(RoleBindingState::default()), Code::InvalidArgument, "INVALID_FIELD"),
        (any_of([]), Code::InvalidArgument, "INVALID_FIELD"),
        (Requirement { kind: None }, Code::InvalidArgument, "INVALID_FIELD"),
    ] {
        assert_eq!(refused(ask(&service, wants("olga", ACME, requirement.clone())).await), (code, expected.to_owned()), "{requirement:?}");
    }
    for request in [
        GetPermitRequest { trees: vec![], ..wants("olga", ACME, known()) },
        GetPermitRequest { trees: vec!["acme".into()], ..wants("olga", ACME, known()) },
        GetPermitRequest { requirements: vec![], ..wants("olga", ACME, known()) },
        GetPermitRequest { requirements: vec![any_of(vec![known(); 10_000])], ..wants("olga", ACME, known()) },
        GetPermitRequest { actor: "olga".into(), ..wants("olga", ACME, known()) },
    ] {
        assert_eq!(refused(ask(&service, request).await), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    }
}

#[tokio::test]
async fn of_alternatives_the_first_that_passes_counts_and_else_the_first_refusal() {
    let service = service().await;
    let either = any_of([permission("campaigns.fly", ACME), assign(bound("users/carl", "standard", ACME)), known()]);
    let permit = ask(&service, wants("olga", ACME, either.clone())).await.unwrap();
    assert!(permit.terms[0].role.is_some());
    let permit = ask(&service, wants("mona", ACME, either)).await.unwrap();
    assert!(permit.terms[0].role.is_none());
    let neither = any_of([permission("campaigns.fly", ACME), platform()]);
    assert_eq!(refused(ask(&service, wants("mona", ACME, neither)).await).1, "UNKNOWN_PERMISSION");
}

#[tokio::test]
async fn the_platform_may_and_is_said_to_be_it() {
    let service = service().await;
    for requirement in
        [platform(), known(), myself("users/mona"), permission("organization.suspend", ACME), assign(bound("users/carl", "owner", ACME))]
    {
        let permit = ask(&service, wants("platform", "users/mona", requirement)).await.unwrap();
        assert!(permit.platform && permit.role_model.is_empty());
        assert_eq!((permit.written.as_slice(), stamps(&permit)["users/mona"]), (["users/mona".to_owned()].as_slice(), 2));
    }
}

#[tokio::test]
async fn roots_are_looked_up_and_an_unknown_name_is_in_its_own_organization() {
    let service = service().await;
    let names = [
        "organizations/customer/workspaces/new",
        "organizations/acme/accounts/a1/campaigns/42",
        "organizations/acme/groups/g",
        "organizations/nowhere/accounts/a",
        "users/mona",
        "roleModels/sample",
    ];
    let request = GetPermitRequest { trees: names.map(str::to_owned).into(), ..wants("olga", ACME, known()) };
    let permit = ask(&service, request).await.unwrap();
    assert_eq!(permit.written, [ACME, ACME, ACME, "organizations/nowhere", "users/mona", "roleModels/sample"]);
    let expected = [(ACME, 2), ("organizations/nowhere", 0), ("roleModels/sample", 1), ("users/mona", 2), ("users/olga", 2)];
    assert_eq!(stamps(&permit), BTreeMap::from(expected));
}

#[tokio::test]
async fn what_is_about_to_be_created_is_decided_about_as_if_it_were_there() {
    let service = service().await;
    service.ledger.commit(&["roleModels/sample"], vec![wire::write(&Record::ModelRevision(model(2))).unwrap()]);
    let root = node("organizations/new", NodeState { kind: "publisher".into(), role_model: "sample".into(), ..Default::default() });
    let request = GetPermitRequest {
        hypothetical: vec![root.clone()],
        at_least_as_fresh: service.ledger.token().to_string(),
        ..wants("platform", "organizations/new", assign(bound("users/carl", "owner", "organizations/new")))
    };
    let permit = ask(&service, request.clone()).await.unwrap();
    assert_eq!((permit.written.as_slice(), permit.role_model_revision), (["organizations/new".to_owned()].as_slice(), 2));
    // The latest revision was chosen: the choice rests on the model's own last change.
    assert_eq!(stamps(&permit), BTreeMap::from([("organizations/new", 0), ("roleModels/sample", 3)]));
    let customer =
        node("organizations/new", NodeState { kind: "mixed".into(), parent: format!("{ACME}/workspaces/emea"), ..Default::default() });
    let request = GetPermitRequest { hypothetical: vec![customer], ..request };
    let permit = ask(&service, request.clone()).await.unwrap();
    assert_eq!((permit.written.as_slice(), permit.role_model_revision), ([ACME.to_owned()].as_slice(), 1));
    // Nothing of it stays.
    assert_eq!(refused(ask(&service, GetPermitRequest { hypothetical: vec![], ..request }).await).1, "NOT_FOUND");
}

#[tokio::test]
async fn a_hypothesis_that_the_role_model_does_not_have_is_an_invalid_argument() {
    let service = service().await;
    let attributes = |id: &str, kind: Kind| NodeState {
        attributes: BTreeMap::from([(id.to_owned(), Value { kind: Some(kind) })]),
        ..Default::default()
    };
    let text = || Kind::StringValue("fr".into());
    for (record, expected) in [
        (node("organizations/acme/deals/1", NodeState::default()), "UNKNOWN_COLLECTION"),
        (node("organizations/acme/campaigns/1", NodeState::default()), "UNKNOWN_COLLECTION"),
        (node(&format!("{A1}/campaigns/1"), attributes("live", text())), "INVALID_ATTRIBUTE"),
        (node(&format!("{A1}/campaigns/1"), attributes("budget", Kind::NumberValue(1.0))), "INVALID_ATTRIBUTE"),
        (node(&format!("{ACME}/accounts/new"), attributes("color", text())), "INVALID_ATTRIBUTE"),
        (node("organizations/new", NodeState { kind: "mixed".into(), role_model: "none".into(), ..Default::default() }), "INVALID_FIELD"),
        (
            node(
                "organizations/new",
                NodeState { kind: "mixed".into(), role_model: "sample".into(), role_model_revision: 9, ..Default::default() },
            ),
            "INVALID_FIELD",
        ),
        (node("organizations/new", NodeState::default()), "INVALID_FIELD"),
        (wire::tombstone(A1), "INVALID_FIELD"),
    ] {
        let request = GetPermitRequest { hypothetical: vec![record.clone()], ..wants("olga", ACME, known()) };
        assert_eq!(refused(ask(&service, request).await), (Code::InvalidArgument, expected.to_owned()), "{record:?}");
    }
    // To whom the tree is foreign it is not told what the tree's model has.
    for tree in [ACME, "organizations/nowhere"] {
        let record = node(&format!("{tree}/deals/1"), NodeState::default());
        let request = GetPermitRequest { hypothetical: vec![record], ..wants("carl", tree, permission("resources.create", tree)) };
        assert_eq!(refused(ask(&service, request).await).1, "NOT_ALLOWED");
    }
    for record in [
        node(&format!("{ACME}/accounts/new"), attributes("market", text())),
        node(&format!("{A1}/campaigns/1"), attributes("live", Kind::BoolValue(false))),
    ] {
        ask(&service, GetPermitRequest { hypothetical: vec![record], ..wants("olga", ACME, known()) }).await.unwrap();
    }
}

#[tokio::test]
async fn a_hypothesis_does_not_make_its_own_actor_known() {
    let service = service().await;
    let eve =
        wire::write(&Record::User(User { name: UserName::parse("users/eve").unwrap(), suspended: false, confined_to: None })).unwrap();
    let request = GetPermitRequest { hypothetical: vec![eve], ..wants("eve", "users/eve", myself("users/eve")) };
    assert_eq!(refused(ask(&service, request).await).1, "NOT_ALLOWED");
}

#[tokio::test]
async fn of_names_those_are_kept_on_which_the_actor_may() {
    let service = service().await;
    let nodes: Vec<String> =
        [A1, "organizations/acme/accounts/a2", "organizations/nowhere", "organizations/acme/deals/1"].map(str::to_owned).into();
    let filter = |actor: &str, caller: &'static str| {
        let request = FilterPermittedRequest {
            actor: format!("users/{actor}"),
            permission: "campaigns.update".into(),
            nodes: nodes.clone(),
            at_least_as_fresh: service.ledger.token().to_string(),
        };
        let mut permits = service.permits();
        async move { permits.filter_permitted(call(caller, None, request)).await.map(|answer| answer.into_inner().nodes) }
    };
    assert_eq!(filter("mona", "services/role-catalog").await.unwrap(), [A1]);
    assert_eq!(filter("olga", DIRECTORY).await.unwrap(), nodes[..2]);
    assert_eq!(filter("platform", DIRECTORY).await.unwrap(), nodes);
    assert!(filter("sven", DIRECTORY).await.unwrap().is_empty());
    assert_eq!(filter("mona", "services/console").await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn permits_are_for_tenantrys_own_services() {
    let service = service().await;
    for caller in ["services/console", "services/authz"] {
        let status = service.permits().get_permit(call(caller, None, wants("olga", ACME, known()))).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
    }
}

#[tokio::test]
async fn to_whom_it_is_granted_it_is_told_what_closes_it() {
    let service = service().await;
    let emea = format!("{ACME}/workspaces/emea");
    let suspended = NodeState { lifecycle: 2, parent: ACME.into(), ..Default::default() };
    let record = Message { key: emea.clone(), skippable_from: 0, state: Some(State::Node(suspended)) };
    let at_least_as_fresh = service.ledger.commit(&[ACME], vec![record]).to_string();
    for (actor, node, code, expected) in [
        ("olga", emea.clone(), Code::FailedPrecondition, "WRONG_STATE"),
        ("olga", format!("{ACME}/workspaces/none"), Code::NotFound, "NOT_FOUND"),
        ("carl", emea.clone(), Code::PermissionDenied, "NOT_ALLOWED"),
        ("carl", format!("{ACME}/workspaces/none"), Code::PermissionDenied, "NOT_ALLOWED"),
    ] {
        let request = GetPermitRequest {
            at_least_as_fresh: at_least_as_fresh.clone(),
            ..wants(actor, ACME, permission("workspaces.update", node.clone()))
        };
        assert_eq!(refused(ask(&service, request).await), (code, expected.to_owned()), "{actor} {node}");
    }
}

#[tokio::test]
async fn a_ceiling_is_of_components_that_the_role_model_has_and_the_platforms_name_is_nobodys() {
    let service = service().await;
    let bounded = |component: &str| {
        let ceiling = Some(ComponentSet { components: vec![component.into()] });
        let record = node(&format!("{ACME}/workspaces/emea"), NodeState { parent: ACME.into(), ceiling, ..Default::default() });
        GetPermitRequest { hypothetical: vec![record], ..wants("olga", ACME, permission("ceilings.set", ACME)) }
    };
    ask(&service, bounded("campaigns")).await.unwrap();
    for component in ["campaings", "workspaces"] {
        let status = ask(&service, bounded(component)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
        assert!(status.message().contains(component), "{}", status.message());
    }
    let named = |id: &str| {
        let user = Record::User(User { name: UserName::parse(&format!("users/{id}")).unwrap(), suspended: false, confined_to: None });
        let hypothetical = vec![wire::write(&user).unwrap()];
        GetPermitRequest { hypothetical, ..wants("platform", &format!("users/{id}"), platform()) }
    };
    ask(&service, named("eve")).await.unwrap();
    assert_eq!(refused(ask(&service, named("platform")).await), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    // Whoever may not create users is told that, and no more.
    let request = GetPermitRequest { actor: "users/olga".into(), ..named("platform") };
    assert_eq!(refused(ask(&service, request).await).1, "NOT_ALLOWED");
}

#[tokio::test]
async fn a_suspended_member_is_answered_like_a_stranger() {
    let service = service().await;
    let check = |at_least: String, user: &str| {
        let request = CheckRequest {
            query: Some(Query { user: user.into(), permission: "campaigns.fly".into(), resource: ACME.into(), ..Default::default() }),
            consistency: Some(Consistency { requirement: Some(Freshness::AtLeastAsFresh(at_least)), ..Default::default() }),
        };
        let mut checks = service.checks();
        let request = call("services/gateway", Some(user), request);
        async move { checks.check(request).await.map(|answer| answer.into_inner().decision.unwrap().verdict()) }
    };
    let nora = [
        Record::User(User { name: UserName::parse("users/nora").unwrap(), suspended: false, confined_to: None }),
        Record::Member(Member { name: MemberName::parse("organizations/acme/members/nora").unwrap(), suspended: false }),
    ];
    let records = nora.iter().map(|record| wire::write(record).unwrap()).collect();
    let token = service.ledger.commit(&[ACME, "users/nora"], records);
    assert_eq!(reason(&check(token.to_string(), "users/nora").await.unwrap_err()), "UNKNOWN_PERMISSION");
    let suspended = Record::Member(Member { name: MemberName::parse("organizations/acme/members/nora").unwrap(), suspended: true });
    let token = service.ledger.commit(&[ACME], vec![wire::write(&suspended).unwrap()]);
    assert_eq!(check(token.to_string(), "users/nora").await.unwrap(), Verdict::Deny);
}
