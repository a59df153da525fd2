//! Nobody gets more than they may by going round the assignment of roles: by a partnership, a group or a membership (DESIGN §6, invariants
//! 1, 3 and 8). Beside that, small things that could be used to look like another or to learn of others.

use api::{
    directory::v1::{member::State, *},
    feed::v1::{ComponentLevels, UserSet},
    rolecatalog::v1::{PushRoleModelRequest, push_role_model_request::Source},
};
use client::{session::Session, world::load};
use decision::world::World;
use prost_types::FieldMask;
use tests::{
    installation::{Installation, Layout, PLATFORM, Store},
    services::reason,
};
use tonic::{Code, Status};

/// A clerk sees to partners, groups and members, and gives no role.
const MODEL: &str = "
model: house
title: House
components:
  - { id: work, title: Work }
  - { id: people, title: People }
permissions:
  - { id: work.see, level: view, types: [organization] }
  - { id: work.do, types: [organization] }
  - { id: people.assign, types: [organization] }
roles:
  - id: owner
    held_at: organization
    assign_with: people.assign
    grants: [{ everything: {}, components: { organization: edit, partners: edit, groups: edit, members: edit, access: edit } }]
  - id: clerk
    held_at: organization
    assign_with: people.assign
    grants: [{ components: { organization: view, partners: edit, groups: edit, members: edit } }]
  - id: worker
    held_at: organization
    principals: [user, group, organization]
    assign_with: people.assign
    grants: [{ components: { work: edit } }]
membership:
  on_grant: join
";

const WORLD: &str = "
users: [olga, cleo, tom, gina, pat, rene, pia, sam]
organizations:
  - id: acme
    model: house
    members: [olga, cleo, tom, gina]
    groups: [{ id: crew, members: [tom] }]
    partnerships: [{ id: p1, partner: agency, roles: [worker], components: { work: view }, users: [pia], accepted: true }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: cleo, role: clerk }
      - { principal: groups/crew, role: worker }
  - id: agency
    model: house
    members: [pat, rene, pia]
    groups: [{ id: helpers, members: [pia] }]
    bindings:
      - { principal: pat, role: owner }
      - { principal: rene, role: clerk }
  - id: other
    model: house
    members: [sam]
    partnerships: [{ id: theirs, partner: agency, roles: [worker], accepted: true }]
    bindings: [{ principal: sam, role: owner }]
";

const ACME: &str = "organizations/acme";
const P1: &str = "organizations/acme/partnerships/p1";
const HELPERS: &str = "organizations/agency/groups/helpers";

async fn house() -> Installation {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let platform = installation.platform();
    let request = PushRoleModelRequest { source: Some(Source::Yaml(MODEL.into())), ..Default::default() };
    platform.role_models().push_role_model(request).await.unwrap();
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&platform, &world).await.unwrap();
    installation
}

async fn as_users<const N: usize>(names: [&str; N]) -> (Installation, [Session; N]) {
    let installation = house().await;
    let sessions = names.map(|name| installation.on_behalf_of(&format!("users/{name}")));
    (installation, sessions)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, expected: &str) -> Status {
    let status = answer.expect_err(expected);
    assert_eq!(reason(&status), expected, "{}", status.message());
    status
}

fn worker(principal: &str, sponsor: &str) -> CreateRoleBindingRequest {
    let role_binding = RoleBinding {
        principal: principal.into(),
        role: "roleModels/house/roles/worker".into(),
        node: ACME.into(),
        sponsor: sponsor.into(),
        ..Default::default()
    };
    CreateRoleBindingRequest { parent: ACME.into(), role_binding: Some(role_binding), ..Default::default() }
}

fn amended(mask: &[&str], partnership: Partnership) -> UpdatePartnershipRequest {
    UpdatePartnershipRequest {
        partnership: Some(Partnership { name: P1.into(), ..partnership }),
        update_mask: Some(FieldMask { paths: mask.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    }
}

fn users(names: &[&str]) -> Partnership {
    Partnership { users: Some(UserSet { users: names.iter().map(|name| format!("users/{name}")).collect() }), ..Default::default() }
}

fn work(level: &str) -> Partnership {
    let levels = ComponentLevels { levels: [("work".to_owned(), level.to_owned())].into() };
    Partnership { components: Some(levels), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partnership_is_widened_only_by_who_may_assign_what_it_sponsors() {
    let (_installation, [olga, cleo]) = as_users(["olga", "cleo"]).await;
    let update = |who: &Session, request| {
        let mut partnerships = who.partnerships();
        async move { partnerships.update_partnership(request).await }
    };
    // While it sponsors nothing, it is only an offer.
    update(&cleo, amended(&["users"], users(&["pia", "pat"]))).await.unwrap();
    update(&cleo, amended(&["users"], users(&["pia"]))).await.unwrap();
    let sponsored = olga.role_bindings().create_role_binding(worker(HELPERS, P1)).await.unwrap().into_inner();

    for request in [
        amended(&["users"], Partnership::default()),
        amended(&["users"], users(&["pia", "rene"])),
        amended(&["components"], Partnership::default()),
        amended(&["components"], work("edit")),
    ] {
        let dry = UpdatePartnershipRequest { validate_only: true, ..request.clone() };
        refused(update(&cleo, dry).await, "NOT_ALLOWED");
        refused(update(&cleo, request).await, "NOT_ALLOWED");
    }
    let soon = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    let narrower = Partnership { expire_time: Some(soon), ..users(&["pia"]) };
    update(&cleo, amended(&["users", "expire_time"], narrower)).await.unwrap();
    update(&cleo, amended(&["components"], work("none"))).await.unwrap();
    refused(update(&cleo, amended(&["expire_time"], Partnership::default())).await, "NOT_ALLOWED");
    refused(update(&cleo, amended(&["components"], work("view"))).await, "NOT_ALLOWED");
    update(&olga, amended(&["components", "expire_time", "users"], Partnership::default())).await.unwrap();

    // Without the binding it is free again.
    let request = DeleteRoleBindingRequest { name: sponsored.name, ..Default::default() };
    olga.role_bindings().delete_role_binding(request).await.unwrap();
    update(&cleo, amended(&["components"], work("edit"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_binding_neither_freezes_a_group_nor_outlives_it() {
    let (_installation, [olga, cleo, rene]) = as_users(["olga", "cleo", "rene"]).await;
    let sponsored = olga.role_bindings().create_role_binding(worker(HELPERS, P1)).await.unwrap().into_inner();
    let edge = |member: &str| AddGroupMemberRequest { group: HELPERS.into(), member: format!("users/{member}"), ..Default::default() };
    rene.groups().add_group_member(edge("pat")).await.unwrap();
    let out = RemoveGroupMemberRequest { group: HELPERS.into(), member: "users/pat".into(), ..Default::default() };
    rene.groups().remove_group_member(out).await.unwrap();
    // At home nothing is given by the way.
    let request =
        AddGroupMemberRequest { group: "organizations/acme/groups/crew".into(), member: "users/cleo".into(), ..Default::default() };
    refused(cleo.groups().add_group_member(request).await, "NOT_ALLOWED");
    let request = DeleteGroupRequest { name: "organizations/acme/groups/crew".into(), ..Default::default() };
    refused(cleo.groups().delete_group(request).await, "NOT_ALLOWED");

    rene.groups().delete_group(DeleteGroupRequest { name: HELPERS.into(), ..Default::default() }).await.unwrap();
    let get = GetRoleBindingRequest { name: sponsored.name };
    assert_eq!(olga.role_bindings().get_role_binding(get).await.unwrap_err().code(), Code::NotFound);
    refused(olga.role_bindings().create_role_binding(worker(HELPERS, P1)).await, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_has_by_groups_is_taken_and_given_back_by_who_may() {
    let (_installation, [olga, cleo, tom]) = as_users(["olga", "cleo", "tom"]).await;
    let update = |who: &Session, user: &str, state: State| {
        let member = Member { name: format!("organizations/acme/members/{user}"), state: state.into(), ..Default::default() };
        let mut members = who.members();
        async move { members.update_member(UpdateMemberRequest { member: Some(member), ..Default::default() }).await }
    };
    let delete = |who: &Session, user: &str| {
        let request = DeleteMemberRequest { name: format!("organizations/acme/members/{user}"), ..Default::default() };
        let mut members = who.members();
        async move { members.delete_member(request).await }
    };
    refused(update(&cleo, "tom", State::Suspended).await, "NOT_ALLOWED");
    refused(delete(&cleo, "tom").await, "NOT_ALLOWED");
    refused(delete(&tom, "tom").await, "NOT_ALLOWED");
    update(&olga, "tom", State::Suspended).await.unwrap();
    refused(update(&cleo, "tom", State::Active).await, "NOT_ALLOWED");
    update(&olga, "tom", State::Active).await.unwrap();
    // Who is in no group that gives anything is a clerk's business.
    update(&cleo, "gina", State::Suspended).await.unwrap();
    update(&cleo, "gina", State::Active).await.unwrap();
    delete(&cleo, "gina").await.unwrap();
    assert_eq!(delete(&olga, "tom").await.unwrap().into_inner().left_groups, ["organizations/acme/groups/crew"]);
}

/// The same bytes, but for the name that was asked for.
#[track_caller]
fn alike<T: std::fmt::Debug>(there: Result<T, Status>, missing: Result<T, Status>) {
    let (there, missing) = (there.unwrap_err(), missing.unwrap_err());
    assert_eq!((there.code(), there.message(), there.details()), (missing.code(), missing.message(), missing.details()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_a_stranger_a_foreign_thing_looks_like_a_missing_one() {
    let (_installation, [sam, olga]) = as_users(["sam", "olga"]).await;
    const NONE: &str = "organizations/acme/partnerships/none";
    let get = |name: &str| GetPartnershipRequest { name: name.into() };
    alike(sam.partnerships().get_partnership(get(P1)).await, sam.partnerships().get_partnership(get(NONE)).await);
    let accept = |name: &str| AcceptPartnershipRequest { name: name.into(), ..Default::default() };
    alike(sam.partnerships().accept_partnership(accept(P1)).await, sam.partnerships().accept_partnership(accept(NONE)).await);
    let delete = |name: &str| DeletePartnershipRequest { name: name.into(), ..Default::default() };
    alike(sam.partnerships().delete_partnership(delete(P1)).await, sam.partnerships().delete_partnership(delete(NONE)).await);
    let update = |name: &str| {
        let partnership = Partnership { name: name.into(), ..users(&["sam"]) };
        UpdatePartnershipRequest { partnership: Some(partnership), ..Default::default() }
    };
    alike(sam.partnerships().update_partnership(update(P1)).await, sam.partnerships().update_partnership(update(NONE)).await);

    let sponsored = olga.role_bindings().create_role_binding(worker(HELPERS, P1)).await.unwrap().into_inner().name;
    alike(sam.partnerships().update_partnership(update(P1)).await, sam.partnerships().update_partnership(update(NONE)).await);
    let update = |name: &str| {
        let role_binding = RoleBinding { name: name.into(), role: "roleModels/house/roles/owner".into(), ..Default::default() };
        UpdateRoleBindingRequest { role_binding: Some(role_binding), ..Default::default() }
    };
    let none = "organizations/acme/roleBindings/none";
    alike(sam.role_bindings().update_role_binding(update(&sponsored)).await, sam.role_bindings().update_role_binding(update(none)).await);
    let get = |name: &str| GetRoleBindingRequest { name: name.into() };
    alike(sam.role_bindings().get_role_binding(get(&sponsored)).await, sam.role_bindings().get_role_binding(get(none)).await);

    let by = |sponsor: &str| worker("users/pia", sponsor);
    let there = olga.role_bindings().create_role_binding(by("organizations/other/partnerships/theirs")).await;
    let missing = olga.role_bindings().create_role_binding(by("organizations/other/partnerships/none")).await;
    assert_eq!(reason(there.as_ref().unwrap_err()), "SPONSOR_LIMIT");
    alike(there, missing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_the_platforms_name_looks_like_another_or_bounds_what_is_not_there() {
    let (installation, [olga]) = as_users(["olga"]).await;
    let platform = installation.platform();
    let create = |id: &str, email: &str, display_name: &str| {
        let user = User { email: email.into(), display_name: display_name.into(), ..Default::default() };
        let mut users = platform.users();
        let request = CreateUserRequest { user_id: id.into(), user: Some(user), ..Default::default() };
        async move { users.create_user(request).await }
    };
    refused(create(PLATFORM.trim_start_matches("users/"), "root@example.com", "").await, "INVALID_FIELD");
    for email in ["a@b@c", "a\u{202e}b@example.com", "a\u{200b}@example.com"] {
        refused(create("new", email, "").await, "INVALID_FIELD");
    }
    refused(create("new", "new@example.com", "eve\u{202e}nna").await, "INVALID_FIELD");
    create("new", "new@example.com", "Eva").await.unwrap();
    let group = |display_name: &str| CreateGroupRequest {
        parent: ACME.into(),
        group: Some(Group { display_name: display_name.into(), ..Default::default() }),
        ..Default::default()
    };
    refused(olga.groups().create_group(group("\u{200b}\u{2060}")).await, "INVALID_FIELD");

    let ceiling = |component: &str| {
        let ceiling = Ceiling { node: ACME.into(), set: true, components: vec![component.into()], ..Default::default() };
        let mut ceilings = platform.ceilings();
        async move { ceilings.set_ceiling(SetCeilingRequest { ceiling: Some(ceiling), ..Default::default() }).await }
    };
    for component in ["wrok", "partners"] {
        let status = refused(ceiling(component).await, "INVALID_FIELD");
        assert!(status.message().contains(component), "{}", status.message());
    }
    ceiling("work").await.unwrap();
    ceiling("people").await.unwrap();

    let first = platform.role_bindings().create_role_binding(worker("users/tom", "")).await.unwrap().into_inner();
    let again = platform.role_bindings().create_role_binding(worker("users/tom", "")).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    assert!(again.message().contains(&first.name) && again.message().contains("revoke"), "{}", again.message());
}
