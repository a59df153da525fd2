use std::collections::BTreeSet;

use api::{
    authz::v1::{
        GetPermitRequest, GetTreeRulesRequest, ListPermittedRequest, ListResourcesRequest, Move, PreviewAccessRequest, Requirement,
        Restore, requirement::Kind,
    },
    feed::v1::{NodeState, Record as Message, node_state::Lifecycle, record::State},
};
use client::guard::{move_node, restore_node};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::world::{Service, call, reason, service, token};

const DIRECTORY: &str = "services/directory";
const ACME: &str = "organizations/acme";
const A1: &str = "organizations/acme/accounts/a1";
const A2: &str = "organizations/acme/accounts/a2";
const CUSTOMER: &str = "organizations/customer";

fn wrong(status: &Status) -> BTreeSet<String> {
    assert_eq!((status.code(), reason(status).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    let details = status.get_error_details();
    details.bad_request().unwrap().field_violations.iter().map(|field| field.field.clone()).collect()
}

fn fields(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn is_denied<T: std::fmt::Debug>(answer: Result<T, Status>) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
}

fn node(key: &str, parent: &str, lifecycle: Lifecycle) -> Message {
    let state = NodeState { parent: parent.into(), lifecycle: lifecycle.into(), ..Default::default() };
    Message { key: key.into(), skippable_from: 0, state: Some(State::Node(state)) }
}

fn gone(key: &str) -> Message {
    Message { key: key.into(), skippable_from: 0, state: None }
}

fn resources(user: &str, permission: &str, resource_type: &str) -> ListResourcesRequest {
    let (user, permission, resource_type) = (format!("users/{user}"), permission.into(), resource_type.into());
    ListResourcesRequest { user, permission, resource_type, ..Default::default() }
}

#[tokio::test]
async fn resources_are_listed_in_pages_that_are_of_one_asker_and_one_question() {
    let service = service().await;
    let list = async |actor: Option<&str>, request: ListResourcesRequest| {
        Ok::<_, Status>(service.checks().list_resources(call("services/console", actor, request)).await?.into_inner())
    };
    let all = list(None, resources("olga", "accounts.get", "account")).await.unwrap();
    assert_eq!((all.resources.as_slice(), all.complete, all.next_page_token.as_str()), ([A1, A2].map(str::to_owned).as_slice(), true, ""));
    assert_eq!(token(&all.revision), service.ledger.token());
    assert_eq!(list(None, resources("mona", "campaigns.view", "account")).await.unwrap().resources, [A1]);
    // By a sponsor, and by nothing at all.
    assert_eq!(list(Some("users/pia"), resources("pia", "campaigns.view", "account")).await.unwrap().resources, [A1]);
    assert!(list(None, resources("sven", "campaigns.view", "account")).await.unwrap().resources.is_empty());
    assert!(list(None, resources("nobody", "accounts.get", "account")).await.unwrap().resources.is_empty());
    let below = ListResourcesRequest { parent: format!("{ACME}/workspaces/emea"), ..resources("olga", "accounts.get", "account") };
    assert_eq!(list(None, below).await.unwrap().resources, [A1]);

    let (mut found, mut request) = (Vec::new(), ListResourcesRequest { page_size: 1, ..resources("olga", "accounts.get", "account") });
    let first = list(None, request.clone()).await.unwrap();
    loop {
        let page = list(None, request.clone()).await.unwrap();
        assert!(page.resources.len() <= 1 && page.complete == page.next_page_token.is_empty());
        found.extend(page.resources);
        if page.complete {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(found, [A1, A2]);
    assert!(!first.next_page_token.is_empty());
    let page_token = first.next_page_token;
    for (actor, request) in [
        (Some("users/olga"), ListResourcesRequest { page_token: page_token.clone(), ..resources("olga", "accounts.get", "account") }),
        (None, ListResourcesRequest { page_token: page_token.clone(), ..resources("olga", "accounts.update", "account") }),
        (None, ListResourcesRequest { page_token: "x".into(), ..resources("olga", "accounts.get", "account") }),
    ] {
        let status = list(actor, request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "PAGE_TOKEN_INVALID"));
    }

    is_denied(list(Some("users/mona"), resources("olga", "accounts.get", "account")).await);
    let bad = ListResourcesRequest { page_size: 1001, parent: format!("{A1}/campaigns/1"), ..resources("", "accounts", "campaign") };
    assert_eq!(wrong(&list(None, bad).await.unwrap_err()), fields(&["user", "permission", "resource_type", "parent", "page_size"]));
    let unknown = ListResourcesRequest { parent: ACME.into(), ..resources("olga", "accounts.paint", "account") };
    assert_eq!(reason(&list(None, unknown).await.unwrap_err()), "UNKNOWN_PERMISSION");
}

#[tokio::test]
async fn permitted_nodes_are_listed_to_the_services_and_the_platform_has_them_all() {
    let service = service().await;
    let asked = |user: &str, permission: &str, node_type: &str| ListPermittedRequest {
        user: format!("users/{user}"),
        permission: permission.into(),
        node_type: node_type.into(),
        limit: 1000,
        ..Default::default()
    };
    let list = async |caller: &str, request: ListPermittedRequest| {
        Ok::<_, Status>(service.permits().list_permitted(call(caller, None, request)).await?.into_inner())
    };
    let mut request = asked("olga", "accounts.get", "account");
    assert_eq!(list(DIRECTORY, request.clone()).await.unwrap().nodes, [A1, A2]);
    request.after = A1.into();
    assert_eq!(list(DIRECTORY, request).await.unwrap().nodes, [A2]);
    let part = list(DIRECTORY, ListPermittedRequest { limit: 1, ..asked("olga", "accounts.get", "account") }).await.unwrap();
    assert_eq!((part.nodes.as_slice(), part.next_after.is_empty()), ([A1.to_owned()].as_slice(), false));
    assert!(list(DIRECTORY, asked("mona", "accounts.update", "account")).await.unwrap().nodes.is_empty());
    // What is called as nobody may is the platform's.
    let everything = list(DIRECTORY, asked("platform", "organization.get", "organization")).await.unwrap();
    assert_eq!(everything.nodes, [ACME, CUSTOMER, "organizations/other"]);
    is_denied(list("services/console", asked("olga", "accounts.get", "account")).await);
    let bad = ListPermittedRequest { limit: 0, parent: "acme".into(), ..asked("", "", "leaf") };
    assert_eq!(wrong(&list(DIRECTORY, bad).await.unwrap_err()), fields(&["user", "permission", "node_type", "parent", "limit"]));
}

#[tokio::test]
async fn a_preview_says_who_would_gain_and_lose_what_and_leaves_nothing() {
    let service = service().await;
    let preview = async |caller: &str, hypothetical: Vec<Message>, nodes: &[&str], most: u32| {
        let nodes = nodes.iter().map(|name| (*name).to_owned()).collect();
        let request = PreviewAccessRequest { hypothetical, nodes, most, at_least_as_fresh: String::new() };
        Ok::<_, Status>(service.permits().preview_access(call(caller, None, request)).await?.into_inner())
    };
    let without = || vec![gone("organizations/acme/roleBindings/m1")];
    let seen = preview(DIRECTORY, without(), &[A1], 100).await.unwrap();
    assert!(seen.complete && seen.roles.is_empty());
    assert_eq!(token(&seen.revision), service.ledger.token());
    assert!(seen.access.iter().all(|change| change.user == "users/mona" && change.gained.is_empty()));
    assert_eq!(
        (seen.access[0].node.as_str(), seen.access[0].lost.as_slice()),
        (A1, ["campaigns.update", "campaigns.view"].map(str::to_owned).as_slice())
    );
    // What depends on an attribute of the request is lost as that.
    let campaign = seen.access.iter().find(|change| change.node == format!("{A1}/campaigns/1")).unwrap();
    assert_eq!(campaign.lost_conditionally, ["campaigns.spend"]);
    let part = preview(DIRECTORY, without(), &[A1], 1).await.unwrap();
    assert_eq!((part.access.len(), part.complete), (1, false));
    assert_eq!(preview(DIRECTORY, without(), &[A1], 100).await.unwrap().access, seen.access);
    assert!(preview(DIRECTORY, without(), &[A2], 100).await.unwrap().access.is_empty());

    is_denied(preview("services/console", without(), &[A1], 100).await);
    assert_eq!(wrong(&preview(DIRECTORY, vec![], &[], 0).await.unwrap_err()), fields(&["hypothetical", "nodes", "most"]));
    assert_eq!(wrong(&preview(DIRECTORY, without(), &["acme"], 10_001).await.unwrap_err()), fields(&["nodes[0]", "most"]));
    let malformed = vec![Message { key: "nonsense".into(), ..node("", "", Lifecycle::Active) }];
    assert_eq!(preview(DIRECTORY, malformed, &[A1], 1).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_rules_of_a_tree_are_those_of_its_root() {
    let service = service().await;
    let rules = async |caller: &str, tree: &str| {
        let request = GetTreeRulesRequest { tree: tree.into(), at_least_as_fresh: String::new() };
        Ok::<_, Status>(service.permits().get_tree_rules(call(caller, None, request)).await?.into_inner())
    };
    for tree in [ACME, CUSTOMER, A1] {
        let rules = rules(DIRECTORY, tree).await.unwrap();
        assert_eq!((rules.root.as_str(), rules.role_model.as_str(), rules.role_model_revision), (ACME, "roleModels/sample", 1));
        assert_eq!(
            rules.roles.iter().map(|role| role.role.as_str()).collect::<Vec<_>>(),
            ["owner", "standard", "manager"].map(|id| format!("roleModels/sample/roles/{id}"))
        );
        assert_eq!((rules.roles[0].seats_least, rules.roles[0].seats_most, rules.roles[2].held_at.as_str()), (1, 2, "account"));
        assert!(rules.membership.unwrap().grant_joins);
        assert_eq!(token(&rules.revision), service.ledger.token());
    }
    let missing = rules(DIRECTORY, "organizations/nowhere").await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(wrong(&rules(DIRECTORY, "nowhere").await.unwrap_err()), fields(&["tree"]));
    is_denied(rules("services/console", ACME).await);
}

async fn ask(service: &Service, actor: &str, requirement: Requirement) -> Result<Vec<String>, Status> {
    let request = GetPermitRequest {
        actor: format!("users/{actor}"),
        requirements: vec![requirement],
        trees: vec![ACME.into()],
        at_least_as_fresh: service.ledger.token().to_string(),
        ..Default::default()
    };
    let permit = service.permits().get_permit(call(DIRECTORY, None, request)).await?.into_inner();
    Ok(permit.stamps.into_iter().map(|stamp| stamp.tree).collect())
}

#[tokio::test]
async fn a_move_takes_authority_over_what_comes_to_reach_the_node_and_what_no_longer_does() {
    let service = service().await;
    let account = |key: &str, parent: &str| move_node(node(key, parent, Lifecycle::Active));
    // Nobody holds anything at the workspace.
    assert_eq!(ask(&service, "olga", account(A1, ACME)).await.unwrap(), [ACME, "users/olga"]);
    is_denied(ask(&service, "carl", account(A1, ACME)).await);
    for (key, parent) in [("organizations/acme/accounts/none", ACME), (A1, "organizations/acme/workspaces/none")] {
        assert_eq!(ask(&service, "olga", account(key, parent)).await.unwrap_err().code(), Code::NotFound, "{key} {parent}");
    }
    is_denied(ask(&service, "carl", account("organizations/acme/accounts/none", ACME)).await);

    // A customer leaves its agency's owner for another's, over whom the first has nothing to say.
    let west = "organizations/other/workspaces/west";
    service.ledger.commit(&["organizations/other"], vec![node(west, "organizations/other", Lifecycle::Active)]);
    let customer = || {
        let state = NodeState { parent: west.into(), lifecycle: Lifecycle::Active.into(), kind: "marketer".into(), ..Default::default() };
        move_node(Message { key: CUSTOMER.into(), skippable_from: 0, state: Some(State::Node(state)) })
    };
    is_denied(ask(&service, "olga", customer()).await);
    is_denied(ask(&service, "carl", customer()).await);
    assert!(ask(&service, "platform", customer()).await.unwrap().contains(&"organizations/other".to_owned()));

    let nothing = Requirement { kind: Some(Kind::Move(Move { to: None })) };
    assert_eq!(ask(&service, "olga", nothing).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(ask(&service, "olga", move_node(gone(A1))).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_restoration_takes_authority_over_all_that_comes_back_without_ones_own() {
    let service = service().await;
    let emea = format!("{ACME}/workspaces/emea");
    service.ledger.commit(&[ACME], vec![node(A1, &emea, Lifecycle::Deleted)]);
    let restored = || restore_node(node(A1, &emea, Lifecycle::Active));
    assert!(ask(&service, "olga", restored()).await.unwrap().contains(&ACME.to_owned()));
    // Mona would get her own role there back, and gives nobody theirs.
    is_denied(ask(&service, "mona", restored()).await);
    is_denied(ask(&service, "carl", restored()).await);
    let missing = || restore_node(node("organizations/acme/accounts/none", ACME, Lifecycle::Active));
    assert_eq!(ask(&service, "olga", missing()).await.unwrap_err().code(), Code::NotFound);
    is_denied(ask(&service, "carl", missing()).await);
    let nothing = Requirement { kind: Some(Kind::Restore(Restore { to: None })) };
    assert_eq!(ask(&service, "olga", nothing).await.unwrap_err().code(), Code::InvalidArgument);
}
