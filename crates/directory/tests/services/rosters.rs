//! Filters and orders of lists; rosters and their exports.

use api::{
    authz::v1::{ReachingRole, Standing},
    directory::v1::{held_role::Source, member, participant::State, *},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    authz::PLATFORM,
    installation::{Installation, by, reason},
};

const ANN: &str = "users/ann";

async fn person(installation: &Installation, id: &str, display_name: &str) {
    let user = User { email: format!("{id}@Example.com"), display_name: display_name.to_owned(), ..User::default() };
    let request = CreateUserRequest { user_id: id.to_owned(), user: Some(user), ..Default::default() };
    installation.users().create_user(by(PLATFORM, request)).await.unwrap();
}

fn role(id: &str) -> String {
    format!("roleModels/ad-platform/roles/{id}")
}

async fn give(installation: &Installation, principal: &str, id: &str, node: &str) -> String {
    let parent = node.split('/').take(2).collect::<Vec<_>>().join("/");
    let role_binding = RoleBinding { principal: principal.into(), role: role(id), node: node.into(), ..Default::default() };
    let request = CreateRoleBindingRequest { parent, role_binding: Some(role_binding), ..Default::default() };
    installation.role_bindings().create_role_binding(by(ANN, request)).await.unwrap().into_inner().name
}

async fn join(installation: &Installation, organization: &str, id: &str) {
    let request = CreateMemberRequest { parent: organization.into(), user: format!("users/{id}"), ..Default::default() };
    installation.members().create_member(by(ANN, request)).await.unwrap();
}

fn violation(status: &Status) -> String {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.first().map(|violation| violation.field.clone()).unwrap_or_default()
}

async fn users(installation: &Installation, filter: &str, order_by: &str) -> Result<Vec<String>, Status> {
    let mut request = ListUsersRequest { filter: filter.into(), order_by: order_by.into(), page_size: 2, ..Default::default() };
    let mut found = Vec::new();
    loop {
        let page = installation.users().list_users(by(PLATFORM, request.clone())).await?.into_inner();
        found.extend(page.users.into_iter().map(|user| user.name.trim_start_matches("users/").to_owned()));
        if page.next_page_token.is_empty() {
            return Ok(found);
        }
        request.page_token = page.next_page_token;
    }
}

pub(crate) async fn users_are_found_by_the_beginning_of_name_or_address_and_listed_in_every_order(installation: &Installation) {
    for (id, name) in [("u1", "Zoë Ann"), ("u2", "anna"), ("u3", "Änne"), ("u4", "ANNABEL"), ("ann", "")] {
        person(installation, id, name).await;
    }
    let program = User { kind: user::Kind::ServiceAccount.into(), display_name: "bot".into(), ..User::default() };
    let request = CreateUserRequest { user_id: "bot".into(), user: Some(program), ..Default::default() };
    installation.users().create_user(by(PLATFORM, request)).await.unwrap();
    let request = SuspendUserRequest { name: "users/u3".into(), ..Default::default() };
    installation.users().suspend_user(by(PLATFORM, request)).await.unwrap();

    let list = async |filter: &str, order: &str| users(installation, filter, order).await.unwrap();
    assert_eq!(list("", "").await, ["ann", "bot", "u1", "u2", "u3", "u4"]);
    assert_eq!(list("", "name desc").await, ["u4", "u3", "u2", "u1", "bot", "ann"]);
    // Who has no name stands by the address.
    assert_eq!(list("display_name = \"ann*\"", "").await, ["ann", "u2", "u4"]);
    assert_eq!(list("display_name = \"ÄN*\"", "").await, ["u3"]);
    assert_eq!(list("display_name = \"anna\"", "").await, ["u2"]);
    assert_eq!(list("email = \"U*\"", "").await, ["u1", "u2", "u3", "u4"]);
    assert_eq!(list("email = u2@example.com", "email desc").await, ["u2"]);
    assert_eq!(list("", "email").await, ["ann", "u1", "u2", "u3", "u4"]);
    assert_eq!(list("", "display_name desc").await, ["u3", "u1", "bot", "u4", "u2", "ann"]);
    assert_eq!(list("state = STATE_SUSPENDED", "").await, ["u3"]);
    assert_eq!(list("kind = KIND_SERVICE_ACCOUNT", "").await, ["bot"]);
    assert_eq!(list("", "create_time").await, ["u1", "u2", "u3", "u4", "ann", "bot"]);
    assert_eq!(list("create_time < 2020-01-01T00:00:00Z", "").await, [""; 0]);
    // A new name moves the user.
    let renamed = User { name: "users/u2".into(), display_name: "Yann".into(), ..User::default() };
    let request = UpdateUserRequest { user: Some(renamed), ..Default::default() };
    installation.users().update_user(by(PLATFORM, request)).await.unwrap();
    assert_eq!(list("display_name = ann*", "").await, ["ann", "u4"]);
    assert_eq!(list("display_name = yann*", "").await, ["u2"]);
}

pub(crate) async fn a_list_refuses_what_it_does_not_offer(installation: &Installation) {
    for (filter, order_by, path) in [
        ("mail = x", "", "filter"),
        ("email != x", "", "filter"),
        ("email = x AND state = STATE_ACTIVE", "", "filter"),
        ("", "size", "order_by"),
    ] {
        let status = users(installation, filter, order_by).await.unwrap_err();
        assert_eq!((status.code(), violation(&status).as_str()), (Code::InvalidArgument, path), "{filter} {order_by}");
    }
    let request = ListUsersRequest { order_by: "email".into(), show_deleted: true, ..Default::default() };
    let status = installation.users().list_users(by(PLATFORM, request)).await.unwrap_err();
    assert_eq!(violation(&status), "show_deleted");
    // A token is of one filter and one order.
    for id in ["a", "b", "c"] {
        person(installation, id, id).await;
    }
    let request = ListUsersRequest { order_by: "email".into(), page_size: 1, ..Default::default() };
    let page = installation.users().list_users(by(PLATFORM, request.clone())).await.unwrap().into_inner();
    for other in [
        ListUsersRequest { order_by: "email desc".into(), ..request.clone() },
        ListUsersRequest { filter: "email = a*".into(), ..request.clone() },
    ] {
        let request = ListUsersRequest { page_token: page.next_page_token.clone(), ..other };
        let status = installation.users().list_users(by(PLATFORM, request)).await.unwrap_err();
        assert_eq!(reason(&status), "PAGE_TOKEN_INVALID");
    }
}

pub(crate) async fn bindings_and_members_are_filtered(installation: &Installation) {
    installation.root("acme").await;
    let acme = "organizations/acme";
    for (id, name) in [("ann", "Ann"), ("bob", "Bob"), ("cid", "Cid")] {
        person(installation, id, name).await;
        join(installation, acme, id).await;
    }
    let workspace = installation.workspace(acme, "emea").await.name;
    give(installation, "users/bob", "buyer", &workspace).await;
    give(installation, "users/cid", "buyer", acme).await;
    give(installation, "users/cid", "viewer", &workspace).await;
    let suspended = Member { name: format!("{acme}/members/cid"), state: member::State::Suspended.into(), ..Default::default() };
    let request = UpdateMemberRequest { member: Some(suspended), ..Default::default() };
    installation.members().update_member(by(ANN, request)).await.unwrap();

    let bindings = async |filter: &str| {
        let request = ListRoleBindingsRequest { parent: acme.into(), filter: filter.into(), ..Default::default() };
        let page = installation.role_bindings().list_role_bindings(by(ANN, request)).await.unwrap().into_inner();
        page.role_bindings.iter().map(|binding| format!("{} {}", binding.principal, binding.node)).collect::<Vec<_>>()
    };
    assert_eq!(bindings(&format!("node = {workspace} AND role = {}", role("buyer"))).await, [format!("users/bob {workspace}")]);
    assert_eq!(bindings(&format!("role = {}", role("buyer"))).await.len(), 2);
    assert_eq!(bindings("principal = users/cid").await.len(), 2);
    assert_eq!(bindings("create_time > 2020-01-01T00:00:00Z").await.len(), 3);

    let members = async |filter: &str, order: &str| {
        let request = ListMembersRequest { parent: acme.into(), filter: filter.into(), order_by: order.into(), ..Default::default() };
        let page = installation.members().list_members(by(ANN, request)).await.unwrap().into_inner();
        page.members.into_iter().map(|member| member.user).collect::<Vec<_>>()
    };
    assert_eq!(members("state = STATE_SUSPENDED", "").await, ["users/cid"]);
    assert_eq!(members("", "display_name desc").await, ["users/cid", "users/bob", "users/ann"]);
    assert_eq!(members("email = b*", "").await, ["users/bob"]);
    assert_eq!(members("display_name = c* AND state = STATE_ACTIVE", "").await, [""; 0]);
}

async fn roster(installation: &Installation, parent: &str, filter: &str) -> Vec<Participant> {
    let request = ListParticipantsRequest { parent: parent.into(), filter: filter.into(), ..Default::default() };
    installation.rosters().list_participants(by(ANN, request)).await.unwrap().into_inner().participants
}

async fn names(installation: &Installation, parent: &str, filter: &str) -> Vec<String> {
    roster(installation, parent, filter).await.into_iter().map(|row| row.participant.trim_start_matches("users/").to_owned()).collect()
}

/// An organization with two workspaces, an account in one of them, and people.
async fn furnished(installation: &Installation) -> (String, String, String) {
    installation.root("acme").await;
    let acme = "organizations/acme".to_owned();
    for (id, name) in [("ann", "Ann"), ("bob", "Bob"), ("cid", "Cid"), ("dora", "Dora")] {
        person(installation, id, name).await;
        if id != "dora" {
            join(installation, &acme, id).await;
        }
    }
    let emea = installation.workspace(&acme, "emea").await.name;
    let account = Account { display_name: "A1".into(), workspace: emea.clone(), ..Default::default() };
    let request = CreateAccountRequest { parent: acme.clone(), account_id: "a1".into(), account: Some(account), ..Default::default() };
    let account = installation.accounts().create_account(by(ANN, request)).await.unwrap().into_inner().name;
    (acme, emea, account)
}

pub(crate) async fn a_roster_follows_every_change_of_who_participates(installation: &Installation) {
    let (acme, emea, account) = furnished(installation).await;
    assert_eq!(names(installation, &acme, "").await, ["ann", "bob", "cid"]);
    assert_eq!(names(installation, &emea, "").await, [""; 0]);
    // What is held in an account is below its workspace.
    let binding = give(installation, "users/bob", "buyer", &account).await;
    assert_eq!(names(installation, &emea, "").await, ["bob"]);
    assert_eq!(names(installation, &account, "").await, ["bob"]);
    let [bob] = roster(installation, &emea, "").await.try_into().unwrap();
    assert_eq!((bob.roles[0].node.as_str(), bob.roles[0].source(), bob.state()), (account.as_str(), Source::Direct, State::Active));
    // A group brings those in who are in it, however deep, and takes them out.
    for id in ["outer", "inner"] {
        let group = Group { display_name: id.into(), ..Default::default() };
        let request = CreateGroupRequest { parent: acme.clone(), group_id: id.into(), group: Some(group), ..Default::default() };
        installation.groups().create_group(by(ANN, request)).await.unwrap();
    }
    let (outer, inner) = (format!("{acme}/groups/outer"), format!("{acme}/groups/inner"));
    for (group, member) in [(&outer, inner.as_str()), (&inner, "users/cid")] {
        let request = AddGroupMemberRequest { group: group.clone(), member: member.into(), ..Default::default() };
        installation.groups().add_group_member(by(ANN, request)).await.unwrap();
    }
    let by_group = give(installation, &outer, "viewer", &emea).await;
    assert_eq!(names(installation, &emea, "").await, ["bob", "cid"]);
    let cid = roster(installation, &emea, "").await.pop().unwrap();
    assert_eq!(
        (cid.roles[0].source(), cid.roles[0].group.as_str(), cid.roles[0].role_binding.as_str()),
        (Source::Group, outer.as_str(), by_group.as_str())
    );
    let request = RemoveGroupMemberRequest { group: inner, member: "users/cid".into(), ..Default::default() };
    installation.groups().remove_group_member(by(ANN, request)).await.unwrap();
    assert_eq!(names(installation, &emea, "").await, ["bob"]);
    let request = DeleteRoleBindingRequest { name: binding, ..Default::default() };
    installation.role_bindings().delete_role_binding(by(ANN, request)).await.unwrap();
    assert_eq!(names(installation, &emea, "").await, [""; 0]);
    let request = DeleteMemberRequest { name: format!("{acme}/members/bob"), ..Default::default() };
    installation.members().delete_member(by(ANN, request)).await.unwrap();
    assert_eq!(names(installation, &acme, "").await, ["ann", "cid"]);
}

pub(crate) async fn a_roster_says_when_anything_of_somebody_last_changed_and_what_they_are_called_now(installation: &Installation) {
    let (acme, emea, account) = furnished(installation).await;
    let bob = async |node: &str| {
        let [bob] = roster(installation, node, "email = bob*").await.try_into().unwrap();
        let time = bob.update_time.unwrap();
        (bob.display_name, bob.email, (time.seconds, time.nanos))
    };
    give(installation, "users/bob", "buyer", &emea).await;
    let (joined, there) = (bob(&acme).await.2, bob(&emea).await.2);
    assert_eq!(joined, there);
    // What is given at a node is a change above it, and none beside it.
    give(installation, "users/bob", "viewer", &account).await;
    assert!(bob(&acme).await.2 > joined && bob(&emea).await.2 > there);
    let buyers = roster(installation, &acme, &format!("role = {}", role("buyer"))).await;
    let time = buyers[0].update_time.unwrap();
    assert_eq!(bob(&acme).await.2, (time.seconds, time.nanos), "in every list");
    let before = bob(&emea).await.2;
    let binding = give(installation, "users/bob", "owner", &acme).await;
    assert_eq!(bob(&emea).await.2, before);
    // So are what becomes of the membership and of the user.
    let before = bob(&acme).await.2;
    let suspended = Member { name: format!("{acme}/members/bob"), state: member::State::Suspended.into(), ..Default::default() };
    let request = UpdateMemberRequest { member: Some(suspended), ..Default::default() };
    installation.members().update_member(by(ANN, request)).await.unwrap();
    let suspended = bob(&acme).await.2;
    assert!(suspended > before);
    let renamed = User { name: "users/bob".into(), display_name: "Robert".into(), ..User::default() };
    let request = UpdateUserRequest { user: Some(renamed), ..Default::default() };
    let time = installation.users().update_user(by(PLATFORM, request)).await.unwrap().into_inner().update_time.unwrap();
    assert_eq!(bob(&emea).await, ("Robert".into(), "bob@Example.com".into(), (time.seconds, time.nanos)));
    assert_eq!(names(installation, &acme, "display_name = rob*").await, ["bob"]);
    let request = ListMembersRequest { parent: acme.clone(), filter: "display_name = rob*".into(), ..Default::default() };
    assert_eq!(installation.members().list_members(by(ANN, request)).await.unwrap().into_inner().members.len(), 1);
    // What is taken away leaves the last change of what there is.
    let request = DeleteRoleBindingRequest { name: binding, ..Default::default() };
    installation.role_bindings().delete_role_binding(by(ANN, request)).await.unwrap();
    assert_eq!(bob(&acme).await.2, (time.seconds, time.nanos));
}

pub(crate) async fn a_roster_is_paged_searched_and_filtered(installation: &Installation) {
    let (acme, emea, _) = furnished(installation).await;
    give(installation, "users/cid", "buyer", &emea).await;
    give(installation, "users/bob", "viewer", &acme).await;
    let request = ListParticipantsRequest { parent: acme.clone(), page_size: 1, order_by: "email desc".into(), ..Default::default() };
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListParticipantsRequest { page_token: token, ..request.clone() };
        let page = installation.rosters().list_participants(by(ANN, request)).await.unwrap().into_inner();
        seen.extend(page.participants.into_iter().map(|row| row.participant));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["users/cid", "users/bob", "users/ann"]);
    assert_eq!(names(installation, &acme, "display_name = \"b*\"").await, ["bob"]);
    assert_eq!(names(installation, &acme, "email = \"cid@*\"").await, ["cid"]);
    assert_eq!(names(installation, &acme, &format!("role = {}", role("buyer"))).await, ["cid"]);
    assert_eq!(names(installation, &acme, &format!("workspace = {emea}")).await, ["cid"]);
    let suspended = Member { name: format!("{acme}/members/cid"), state: member::State::Suspended.into(), ..Default::default() };
    let request = UpdateMemberRequest { member: Some(suspended), ..Default::default() };
    installation.members().update_member(by(ANN, request)).await.unwrap();
    assert_eq!(names(installation, &acme, "state = STATE_SUSPENDED").await, ["cid"]);
    assert_eq!(names(installation, &acme, "state = STATE_ACTIVE AND display_name = a*").await, ["ann"]);
    let request =
        ListParticipantsRequest { parent: acme, filter: "workspace = organizations/other/workspaces/x".into(), ..Default::default() };
    assert_eq!(violation(&installation.rosters().list_participants(by(ANN, request)).await.unwrap_err()), "filter");
}

pub(crate) async fn a_roster_says_what_is_inherited_and_is_of_whom_may_see_it(installation: &Installation) {
    let (acme, emea, _) = furnished(installation).await;
    let above = give(installation, "users/bob", "owner", &acme).await;
    {
        let mut says = installation.authz.says();
        says.reaching = vec![ReachingRole { node: acme.clone(), role: role("owner"), implied: vec![role("admin")] }];
        says.standings = vec![Standing {
            user: "users/bob".into(),
            node: emea.clone(),
            role: role("admin"),
            at: emea.clone(),
            role_binding: above.clone(),
            bound_role: role("owner"),
            bound_at: acme.clone(),
            ..Default::default()
        }];
    }
    for filter in [String::new(), format!("role = {}", role("admin"))] {
        let [bob] = roster(installation, &emea, &filter).await.try_into().unwrap();
        let held = &bob.roles[0];
        assert_eq!((bob.roles.len(), held.inherited, held.source()), (1, true, Source::Implied));
        assert_eq!(
            (held.implied_by.as_str(), held.held_at.as_str(), held.role_binding.as_str()),
            (role("owner").as_str(), acme.as_str(), above.as_str())
        );
    }
    installation.authz.says().denied.insert(format!("access.get {emea}"));
    let request = ListParticipantsRequest { parent: emea, ..Default::default() };
    assert_eq!(reason(&installation.rosters().list_participants(by(ANN, request)).await.unwrap_err()), "NOT_ALLOWED");
    let request = ListUserWorkspacesRequest { user: "users/bob".into(), ..Default::default() };
    assert_eq!(installation.rosters().list_user_workspaces(by(ANN, request)).await.unwrap_err().code(), Code::PermissionDenied);
}

pub(crate) async fn a_roster_is_exported_as_csv(installation: &Installation) {
    let (acme, emea, _) = furnished(installation).await;
    person(installation, "eve", "=HYPERLINK(\"x\"), \"Eve\"").await;
    join(installation, &acme, "eve").await;
    give(installation, "users/eve", "buyer", &emea).await;
    let request = ExportParticipantsRequest { parent: acme, ..Default::default() };
    let mut parts = installation.rosters().export_participants(by(ANN, request)).await.unwrap().into_inner();
    let mut csv = Vec::new();
    while let Some(part) = parts.message().await.unwrap() {
        csv.extend(part.csv);
    }
    let csv = String::from_utf8(csv).unwrap();
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines[0], "participant,display_name,email,state,organization_role,role,node,source,held_at,role_binding,update_time");
    assert_eq!(lines.len(), 5, "{csv}");
    assert!(lines[1].starts_with("users/eve,\"'=HYPERLINK(\"\"x\"\"), \"\"Eve\"\"\",eve@Example.com,active,"), "{}", lines[1]);
    assert!(lines[2].starts_with("users/ann,Ann,ann@Example.com,active,,,"), "{}", lines[2]);
}
