//! Who has what: bindings, members, groups, partnerships, users.

use std::collections::BTreeMap;

use api::{
    authz::v1::{MembershipTerms, RoleTerms},
    directory::v1::{
        AcceptPartnershipRequest, AddGroupMemberRequest, AssignableRole, CreateGroupRequest, CreateInvitationRequest, CreateMemberRequest,
        CreateOrganizationRequest, CreatePartnershipRequest, CreateRoleBindingRequest, CreateUserRequest, DeleteGroupRequest,
        DeleteMemberRequest, DeletePartnershipRequest, DeleteRoleBindingRequest, DeleteUserRequest, GetMemberRequest,
        GetPartnershipRequest, GetUserRequest, Group, ImportOptions, ImportRequest, ImportRow, InitialHolder, Invitation,
        ListAssignableRolesRequest, ListGroupMembersRequest, ListMembersRequest, ListRoleBindingsRequest, Member, Organization,
        Partnership, RemoveGroupMemberRequest, RoleBinding, SuspendUserRequest, UpdateMemberRequest, UpdatePartnershipRequest,
        UpdateRoleBindingRequest, UpdateUserRequest, User, import_request, import_row, member, organization, partnership,
    },
};
use prost_types::{FieldMask, Timestamp};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::installation::{Installation, by, reason, root};

pub(crate) const ANN: &str = "users/ann";
const ACME: &str = "organizations/acme";
pub(crate) const PLATFORM: &str = crate::authz::PLATFORM;

pub(crate) fn role(id: &str) -> String {
    format!("roleModels/ad-platform/roles/{id}")
}

/// Owner (at least one) and standard exclude each other; standard is the default; buyer has 5 seats.
pub(crate) fn terms(id: &str) -> RoleTerms {
    let exclusive = matches!(id, "owner" | "standard");
    RoleTerms {
        role: role(id),
        held_at: "organization".to_owned(),
        organizations: "any".to_owned(),
        seats_least: u32::from(id == "owner"),
        seats_most: if id == "buyer" { 5 } else { 0 },
        exclusive_set: if exclusive { vec![role("owner"), role("standard")] } else { Vec::new() },
    }
}

fn membership() -> MembershipTerms {
    MembershipTerms {
        organization_roles: vec![role("owner"), role("standard")],
        default_role: role("standard"),
        grant_joins: true,
        permanent: false,
        leave: true,
    }
}

/// The role model that these tests think of.
pub(crate) fn rules(installation: &Installation) {
    let mut says = installation.authz.says();
    says.roles = ["owner", "standard", "buyer"].into_iter().map(|id| (role(id), terms(id))).collect();
    says.required = vec![terms("owner")];
    says.membership = membership();
}

/// A root in use, owned by Ann.
pub(crate) async fn owned(installation: &Installation, id: &str) -> Organization {
    rules(installation);
    let holders = vec![InitialHolder { user: ANN.to_owned(), role: role("owner") }];
    let request = CreateOrganizationRequest { holders, ..root(id) };
    installation.organizations().create_organization(by(PLATFORM, request)).await.unwrap().into_inner()
}

pub(crate) fn grant(principal: &str, role_id: &str, node: &str) -> CreateRoleBindingRequest {
    let organization = node.split('/').take(2).collect::<Vec<_>>().join("/");
    let binding = RoleBinding { principal: principal.to_owned(), role: role(role_id), node: node.to_owned(), ..RoleBinding::default() };
    CreateRoleBindingRequest { parent: organization, role_binding: Some(binding), ..Default::default() }
}

pub(crate) async fn give(installation: &Installation, principal: &str, role_id: &str, node: &str) -> Result<RoleBinding, Status> {
    let request = by(ANN, grant(principal, role_id, node));
    Ok(installation.role_bindings().create_role_binding(request).await?.into_inner())
}

pub(crate) async fn bindings(installation: &Installation, organization: &str) -> Vec<RoleBinding> {
    let request = ListRoleBindingsRequest { parent: organization.to_owned(), page_size: 1000, ..Default::default() };
    installation.role_bindings().list_role_bindings(by(ANN, request)).await.unwrap().into_inner().role_bindings
}

pub(crate) async fn held_by(installation: &Installation, organization: &str, principal: &str) -> Vec<String> {
    let all = bindings(installation, organization).await;
    all.into_iter().filter(|binding| binding.principal == principal).map(|binding| binding.role).collect()
}

pub(crate) async fn binding_of(installation: &Installation, organization: &str, principal: &str) -> RoleBinding {
    bindings(installation, organization).await.into_iter().find(|binding| binding.principal == principal).unwrap()
}

pub(crate) async fn change_role(installation: &Installation, binding: &str, role_id: &str) -> Result<RoleBinding, Status> {
    let role_binding = Some(RoleBinding { name: binding.to_owned(), role: role(role_id), ..RoleBinding::default() });
    let request = UpdateRoleBindingRequest { role_binding, ..Default::default() };
    Ok(installation.role_bindings().update_role_binding(by(ANN, request)).await?.into_inner())
}

pub(crate) async fn revoke(installation: &Installation, binding: &str) -> Result<RoleBinding, Status> {
    let request = DeleteRoleBindingRequest { name: binding.to_owned(), ..Default::default() };
    Ok(installation.role_bindings().delete_role_binding(by(ANN, request)).await?.into_inner())
}

pub(crate) async fn remove(installation: &Installation, member: &str) -> Result<Vec<String>, Status> {
    let request = DeleteMemberRequest { name: member.to_owned(), ..Default::default() };
    Ok(installation.members().delete_member(by(ANN, request)).await?.into_inner().removed_bindings)
}

pub(crate) async fn suspend(installation: &Installation, member: &str, state: member::State) -> Result<Member, Status> {
    let member = Some(Member { name: member.to_owned(), state: state.into(), ..Member::default() });
    let request = UpdateMemberRequest { member, ..Default::default() };
    Ok(installation.members().update_member(by(ANN, request)).await?.into_inner())
}

pub(crate) async fn group(installation: &Installation, organization: &str, id: &str) -> String {
    let group = Some(Group { display_name: id.to_owned(), ..Group::default() });
    let request = CreateGroupRequest { parent: organization.to_owned(), group_id: id.to_owned(), group, ..Default::default() };
    installation.groups().create_group(by(ANN, request)).await.unwrap().into_inner().name
}

pub(crate) async fn put_into(installation: &Installation, group: &str, member: &str) -> Result<(), Status> {
    let request = AddGroupMemberRequest { group: group.to_owned(), member: member.to_owned(), ..Default::default() };
    installation.groups().add_group_member(by(ANN, request)).await.map(|_| ())
}

/// Tries until the store is not too busy.
macro_rules! insist {
    ($call:expr) => {
        loop {
            match $call {
                Err(status) if status.code() == Code::Unavailable || reason(&status) == "OVERLOADED" => {}
                done => break done,
            }
        }
    };
}

pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    reason(&result.unwrap_err())
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds: chrono::Utc::now().timestamp() + seconds, nanos: 0 }
}

pub(crate) async fn a_grant_takes_a_user_in_with_the_default_role_or_is_refused(installation: &Installation) {
    for user in ["ann", "bob", "cy"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let workspace = installation.workspace(&acme, "emea").await.name;
    give(installation, "users/bob", "buyer", &workspace).await.unwrap();
    let mut held = held_by(installation, &acme, "users/bob").await;
    held.sort();
    assert_eq!(held, [role("buyer"), role("standard")]);
    let name = format!("{acme}/members/bob");
    let member = installation
        .members()
        .get_member(by("users/bob", GetMemberRequest { name: name.clone(), ..Default::default() }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((member.state(), member.organization_role), (member::State::Active, role("standard")));
    assert!(installation.record(&name).await.is_some());

    suspend(installation, &name, member::State::Suspended).await.unwrap();
    assert_eq!(refused(give(installation, "users/bob", "buyer", &acme).await), "NOT_A_MEMBER");
    installation.authz.says().membership.grant_joins = false;
    assert_eq!(refused(give(installation, "users/cy", "buyer", &acme).await), "NOT_A_MEMBER");
    assert_eq!(refused(give(installation, "users/nobody", "buyer", &acme).await), "NOT_FOUND");
    assert!(installation.record(&format!("{acme}/members/cy")).await.is_none());
}

pub(crate) async fn of_an_exclusive_set_one_role_is_held_and_it_is_changed_in_one_step(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let request = CreateMemberRequest { parent: acme.clone(), user: "users/bob".to_owned(), ..Default::default() };
    let member = installation.members().create_member(by(ANN, request)).await.unwrap().into_inner();
    assert_eq!(member.organization_role, role("standard"));
    assert_eq!(refused(give(installation, "users/bob", "owner", &acme).await), "ROLE_EXCLUSIVE");
    assert_eq!(refused(give(installation, "users/bob", "standard", &acme).await), "ALREADY_EXISTS");
    let binding = binding_of(installation, &acme, "users/bob").await;
    let changed = change_role(installation, &binding.name, "owner").await.unwrap();
    assert_eq!((changed.role, changed.etag.as_str()), (role("owner"), "2"));
    assert_eq!(refused(give(installation, &format!("{acme}/groups/none"), "owner", &acme).await), "INVALID_BINDING");
    // A name is of one binding for ever.
    let named = |principal| CreateRoleBindingRequest { role_binding_id: "b1".to_owned(), ..grant(principal, "viewer", &acme) };
    let first = installation.role_bindings().create_role_binding(by(ANN, named(ANN))).await.unwrap().into_inner();
    assert_eq!(refused(installation.role_bindings().create_role_binding(by(ANN, named("users/bob"))).await), "ALREADY_EXISTS");
    revoke(installation, &first.name).await.unwrap();
    assert_eq!(refused(installation.role_bindings().create_role_binding(by(ANN, named("users/bob"))).await), "ALREADY_EXISTS");
}

pub(crate) async fn seats_hold_under_a_hundred_calls_at_once(installation: &Installation) {
    installation.user("ann").await;
    for number in 0..100 {
        installation.user(&format!("u{number}")).await;
    }
    let acme = owned(installation, "acme").await.name;
    let start = tokio::sync::Barrier::new(100);
    let calls = (0..100).map(|number| {
        let (start, acme) = (&start, &acme);
        async move {
            start.wait().await;
            insist!(give(installation, &format!("users/u{number}"), "buyer", acme).await)
        }
    });
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    for status in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "SEATS_TAKEN"));
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["limit"], "5");
        assert_eq!(details.quota_failure().unwrap().violations[0].subject, role("buyer"));
    }
    let buyers = bindings(installation, &acme).await.into_iter().filter(|binding| binding.role == role("buyer"));
    let buyers: Vec<_> = buyers.collect();
    assert_eq!(buyers.len(), 5);
    // Nor does a change of another role there take a seat that there is not.
    installation.user("late").await;
    let late = give(installation, "users/late", "viewer", &acme).await.unwrap();
    assert_eq!(refused(change_role(installation, &late.name, "buyer").await), "SEATS_TAKEN");
    revoke(installation, &buyers[0].name).await.unwrap();
    change_role(installation, &late.name, "buyer").await.unwrap();
}

pub(crate) async fn one_required_holder_remains_whatever_is_tried_at_once(installation: &Installation) {
    installation.user("ann").await;
    let acme = owned(installation, "acme").await.name;
    for number in 1..20 {
        installation.user(&format!("u{number}")).await;
        give(installation, &format!("users/u{number}"), "owner", &acme).await.unwrap();
    }
    let owners: Vec<_> = bindings(installation, &acme).await.into_iter().filter(|binding| binding.role == role("owner")).collect();
    assert_eq!(owners.len(), 20);
    let start = tokio::sync::Barrier::new(100);
    let calls = (0..100).map(|number| {
        let (start, binding) = (&start, &owners[number / 5]);
        let member = format!("{acme}/members/{}", binding.principal.trim_start_matches("users/"));
        async move {
            start.wait().await;
            match number % 5 {
                0 => insist!(revoke(installation, &binding.name).await).err(),
                1 => insist!(change_role(installation, &binding.name, "standard").await).err(),
                2 => insist!(remove(installation, &member).await).err(),
                3 => insist!(suspend(installation, &member, member::State::Suspended).await).err(),
                _ => insist!(expire(installation, &binding.name).await).err(),
            }
        }
    });
    let refusals: Vec<_> = futures::future::join_all(calls).await.into_iter().flatten().map(|status| reason(&status)).collect();
    assert!(refusals.iter().any(|reason| reason == "REQUIRED_ROLE"));
    assert!(refusals.iter().all(|reason| ["REQUIRED_ROLE", "NOT_FOUND"].contains(&reason.as_str())), "{refusals:?}");

    let members = ListMembersRequest { parent: acme.clone(), page_size: 1000, ..Default::default() };
    let members = installation.members().list_members(by(ANN, members)).await.unwrap().into_inner().members;
    let active = |user: &str| members.iter().any(|member| member.user == user && member.state() == member::State::Active);
    let left = bindings(installation, &acme).await;
    let lasting = |binding: &&RoleBinding| binding.role == role("owner") && binding.expire_time.is_none() && active(&binding.principal);
    assert_eq!(left.iter().filter(lasting).count(), 1);
}

async fn expire(installation: &Installation, binding: &str) -> Result<RoleBinding, Status> {
    let role_binding = Some(RoleBinding { name: binding.to_owned(), expire_time: Some(at(3600)), ..RoleBinding::default() });
    let request = UpdateRoleBindingRequest { role_binding, ..Default::default() };
    Ok(installation.role_bindings().update_role_binding(by(ANN, request)).await?.into_inner())
}

pub(crate) async fn an_organization_is_in_use_from_its_last_required_holder_on(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    rules(installation);
    let acme = installation.root("acme").await;
    assert_eq!(acme.state(), organization::State::Provisioning);
    let get = || api::directory::v1::GetOrganizationRequest { name: acme.name.clone() };
    give(installation, "users/bob", "standard", &acme.name).await.unwrap();
    let state = installation.organizations().get_organization(by(ANN, get())).await.unwrap().into_inner().state();
    assert_eq!(state, organization::State::Provisioning);
    let owner = give(installation, ANN, "owner", &acme.name).await.unwrap();
    let state = installation.organizations().get_organization(by(ANN, get())).await.unwrap().into_inner().state();
    assert_eq!(state, organization::State::Active);
    let status = revoke(installation, &owner.name).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["role"], role("owner"));
}

pub(crate) async fn members_that_stay_stay_by_every_path(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    installation.authz.says().membership.permanent = true;
    let workspace = installation.workspace(&acme, "emea").await.name;
    let buyer = give(installation, "users/bob", "buyer", &workspace).await.unwrap();
    let standard = bindings(installation, &acme).await.into_iter().find(|one| one.principal == "users/bob" && one.node == acme).unwrap();
    assert_eq!(refused(remove(installation, &format!("{acme}/members/bob")).await), "MEMBERS_STAY");
    assert_eq!(refused(revoke(installation, &standard.name).await), "MEMBERS_STAY");
    assert_eq!(refused(expire(installation, &standard.name).await), "MEMBERS_STAY");
    assert_eq!(refused(change_role(installation, &standard.name, "viewer").await), "MEMBERS_STAY");
    assert_eq!(refused(delete_user(installation, "bob").await), "MEMBERS_STAY");
    // Nor is anybody taken in for a while only: at once, by invitation, or from a file.
    installation.user("cy").await;
    let mut ending = grant("users/cy", "standard", &acme);
    ending.role_binding.as_mut().unwrap().expire_time = Some(at(3600));
    assert_eq!(refused(installation.role_bindings().create_role_binding(by(ANN, ending.clone())).await), "MEMBERS_STAY");
    let offer = Invitation {
        email: "cy@example.com".to_owned(),
        role: role("standard"),
        node: acme.clone(),
        binding_expire_time: Some(at(3600)),
        ..Invitation::default()
    };
    let offer = CreateInvitationRequest { parent: acme.clone(), invitation: Some(offer), ..Default::default() };
    assert_eq!(refused(installation.invitations().create_invitation(by(ANN, offer)).await), "MEMBERS_STAY");
    let row = ImportRow { number: 1, resource: Some(import_row::Resource::RoleBinding(ending.role_binding.unwrap())) };
    let messages = [import_request::Message::Options(ImportOptions::default()), import_request::Message::Row(row)];
    let rows = futures::stream::iter(messages.map(|message| ImportRequest { message: Some(message) }));
    let told = installation.import().import(by(ANN, rows)).await.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!(told.reason, "MEMBERS_STAY");
    assert!(held_by(installation, &acme, "users/cy").await.is_empty());
    // The group that they leave and the time that passes take nothing of it.
    let buyers = group(installation, &acme, "buyers").await;
    put_into(installation, &buyers, "users/bob").await.unwrap();
    let leave = RemoveGroupMemberRequest { group: buyers, member: "users/bob".to_owned(), ..Default::default() };
    installation.groups().remove_group_member(by(ANN, leave)).await.unwrap();
    installation.directory.sweep_expired(chrono::Utc::now() + chrono::Duration::days(3650)).await.unwrap();
    assert!(held_by(installation, &acme, "users/bob").await.contains(&role("standard")));
    assert!(installation.record(&format!("{acme}/members/bob")).await.is_some());
    revoke(installation, &buyer.name).await.unwrap();
    change_role(installation, &standard.name, "owner").await.unwrap();
}

pub(crate) async fn delete_user(installation: &Installation, id: &str) -> Result<User, Status> {
    let request = DeleteUserRequest { name: format!("users/{id}"), ..Default::default() };
    Ok(installation.users().delete_user(by(PLATFORM, request)).await?.into_inner())
}

pub(crate) async fn a_removed_member_takes_bindings_and_places_in_groups_along(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    give(installation, "users/bob", "buyer", &acme).await.unwrap();
    let buyers = group(installation, &acme, "buyers").await;
    put_into(installation, &buyers, "users/bob").await.unwrap();
    assert!(installation.record(&format!("{buyers}#users/bob")).await.is_some());
    let request = DeleteMemberRequest { name: format!("{acme}/members/bob"), ..Default::default() };
    let removed = installation.members().delete_member(by(ANN, request)).await.unwrap().into_inner();
    assert_eq!((removed.removed_bindings.len(), removed.left_groups), (2, vec![buyers.clone()]));
    for key in [format!("{acme}/members/bob"), format!("{buyers}#users/bob"), removed.removed_bindings[0].clone()] {
        assert!(installation.record(&key).await.is_none(), "{key}");
    }
    assert!(held_by(installation, &acme, "users/bob").await.is_empty());
    // Members come back under the one name that they can have.
    give(installation, "users/bob", "buyer", &acme).await.unwrap();
}

pub(crate) async fn a_group_never_contains_itself(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let (one, two, three) =
        (group(installation, &acme, "one").await, group(installation, &acme, "two").await, group(installation, &acme, "three").await);
    put_into(installation, &one, &two).await.unwrap();
    put_into(installation, &two, &three).await.unwrap();
    assert_eq!(refused(put_into(installation, &three, &one).await), "GROUP_CYCLE");
    assert_eq!(refused(put_into(installation, &one, &one).await), "GROUP_CYCLE");
    assert_eq!(refused(put_into(installation, &one, &two).await), "ALREADY_EXISTS");
    assert_eq!(refused(put_into(installation, &one, "users/bob").await), "NOT_A_MEMBER");

    let (left, right) = (group(installation, &acme, "left").await, group(installation, &acme, "right").await);
    let both = tokio::join!(async { insist!(put_into(installation, &left, &right).await) }, async {
        insist!(put_into(installation, &right, &left).await)
    });
    assert_eq!([both.0, both.1].iter().filter(|result| result.is_ok()).count(), 1);

    put_into(installation, &three, ANN).await.unwrap();
    let request = RemoveGroupMemberRequest { group: three.clone(), member: ANN.to_owned(), ..Default::default() };
    installation.groups().remove_group_member(by(ANN, request.clone())).await.unwrap();
    assert_eq!(refused(installation.groups().remove_group_member(by(ANN, request)).await), "NOT_FOUND");
}

pub(crate) async fn a_deleted_group_leaves_nothing_and_its_name_is_not_used_again(installation: &Installation) {
    installation.user("ann").await;
    let acme = owned(installation, "acme").await.name;
    let workspace = installation.workspace(&acme, "emea").await.name;
    let (outer, inner) = (group(installation, &acme, "outer").await, group(installation, &acme, "inner").await);
    put_into(installation, &outer, &inner).await.unwrap();
    put_into(installation, &inner, ANN).await.unwrap();
    let binding = give(installation, &inner, "viewer", &workspace).await.unwrap();
    let request = DeleteGroupRequest { name: inner.clone(), ..Default::default() };
    installation.groups().delete_group(by(ANN, request)).await.unwrap();
    for key in [format!("{outer}#{inner}"), format!("{inner}#{ANN}"), binding.name] {
        assert!(installation.record(&key).await.is_none(), "{key}");
    }
    let members = ListGroupMembersRequest { group: outer, ..Default::default() };
    assert!(installation.groups().list_group_members(by(ANN, members)).await.unwrap().into_inner().group_members.is_empty());
    let group = Some(Group { display_name: "again".to_owned(), ..Group::default() });
    let again = CreateGroupRequest { parent: acme, group_id: "inner".to_owned(), group, ..Default::default() };
    assert_eq!(refused(installation.groups().create_group(by(ANN, again)).await), "ALREADY_EXISTS");
}

async fn offer(installation: &Installation, from: &str, to: &str, end: Option<Timestamp>) -> Partnership {
    let partnership = Partnership {
        partner: to.to_owned(),
        node: from.to_owned(),
        roles: vec![role("buyer")],
        expire_time: end,
        ..Partnership::default()
    };
    let request = CreatePartnershipRequest {
        parent: from.to_owned(),
        partnership_id: "p1".to_owned(),
        partnership: Some(partnership),
        ..Default::default()
    };
    installation.partnerships().create_partnership(by(ANN, request)).await.unwrap().into_inner()
}

async fn accept(installation: &Installation, name: &str) -> Result<Partnership, Status> {
    let request = AcceptPartnershipRequest { name: name.to_owned(), ..Default::default() };
    Ok(installation.partnerships().accept_partnership(by(ANN, request)).await?.into_inner())
}

fn sponsored(principal: &str, node: &str, sponsor: &str) -> CreateRoleBindingRequest {
    let mut request = grant(principal, "buyer", node);
    request.role_binding.as_mut().unwrap().sponsor = sponsor.to_owned();
    request
}

pub(crate) async fn a_partnership_allows_no_role_of_another_organization(installation: &Installation) {
    installation.user("ann").await;
    let acme = owned(installation, "acme").await.name;
    let foreign = ["organizations/other/roles/seller".to_owned(), role("buyer")];
    let partnership =
        Partnership { partner: "organizations/agency".into(), node: acme.clone(), roles: foreign.into(), ..Default::default() };
    let request = CreatePartnershipRequest { parent: acme.clone(), partnership: Some(partnership.clone()), ..Default::default() };
    let status = installation.partnerships().create_partnership(by(ANN, request)).await.unwrap_err();
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations[0].field, "partnership.roles[0]");

    let own = Partnership { roles: vec![format!("{acme}/roles/seller")], ..partnership.clone() };
    let request = CreatePartnershipRequest { parent: acme, partnership: Some(own), ..Default::default() };
    let name = installation.partnerships().create_partnership(by(ANN, request)).await.unwrap().into_inner().name;
    let partnership = Some(Partnership { name, ..partnership });
    let update_mask = Some(prost_types::FieldMask { paths: vec!["roles".into()] });
    let request = UpdatePartnershipRequest { partnership, update_mask, ..Default::default() };
    let status = installation.partnerships().update_partnership(by(ANN, request)).await.unwrap_err();
    assert_eq!(status.get_error_details().bad_request().unwrap().field_violations[0].field, "partnership.roles[0]");
}

pub(crate) async fn a_revoked_partnership_takes_what_it_sponsored_along(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let agency = owned(installation, "agency").await.name;
    let partnership = offer(installation, &acme, &agency, None).await;
    assert_eq!(partnership.state(), partnership::State::Pending);
    // An offer does not tell which organizations exist.
    offer(installation, &agency, "organizations/nobody", None).await;
    let request = sponsored("users/bob", &acme, &partnership.name);
    let early = installation.role_bindings().create_role_binding(by(ANN, request.clone())).await;
    assert_eq!(refused(early), "SPONSOR_LIMIT");

    installation.authz.says().denied.insert(format!("partners.update {agency}"));
    assert_eq!(refused(accept(installation, &partnership.name).await), "NOT_ALLOWED");
    installation.authz.says().denied.clear();
    assert_eq!(accept(installation, &partnership.name).await.unwrap().state(), partnership::State::Active);
    assert_eq!(refused(accept(installation, &partnership.name).await), "WRONG_STATE");
    for (role_id, sponsor) in [("seller", partnership.name.as_str()), ("buyer", "organizations/agency/workspaces/none")] {
        let mut beyond = sponsored("users/bob", &acme, sponsor);
        beyond.role_binding.as_mut().unwrap().role = role(role_id);
        assert_eq!(refused(installation.role_bindings().create_role_binding(by(ANN, beyond)).await), "SPONSOR_LIMIT", "{role_id}");
    }
    let binding = installation.role_bindings().create_role_binding(by(ANN, request)).await.unwrap().into_inner();
    assert!(installation.record(&format!("{acme}/members/bob")).await.is_none());

    let request = DeletePartnershipRequest { name: partnership.name.clone(), ..Default::default() };
    let ended = installation.partnerships().delete_partnership(by(ANN, request)).await.unwrap().into_inner();
    assert_eq!(ended.removed_bindings, [binding.name.as_str()]);
    assert!(installation.record(&binding.name).await.is_none() && installation.record(&partnership.name).await.is_none());
    let get = GetPartnershipRequest { name: partnership.name };
    assert_eq!(refused(installation.partnerships().get_partnership(by(ANN, get)).await), "NOT_FOUND");
}

pub(crate) async fn what_has_expired_is_swept_in_its_tree(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let (acme, agency) = (owned(installation, "acme").await.name, owned(installation, "agency").await.name);
    let partnership = offer(installation, &acme, &agency, Some(at(1800))).await;
    accept(installation, &partnership.name).await.unwrap();
    let request = sponsored("users/bob", &acme, &partnership.name);
    let by_sponsor = installation.role_bindings().create_role_binding(by(ANN, request)).await.unwrap().into_inner();
    let workspace = installation.workspace(&agency, "emea").await.name;
    let mut short = grant("users/bob", "buyer", &workspace);
    short.role_binding.as_mut().unwrap().expire_time = Some(at(3600));
    let short = installation.role_bindings().create_role_binding(by(ANN, short)).await.unwrap().into_inner();
    let kept = binding_of(installation, &agency, ANN).await;

    let now = chrono::Utc::now();
    assert_eq!(installation.directory.sweep_expired(now).await.unwrap(), 0);
    let before = installation.revision().await;
    assert_eq!(installation.directory.sweep_expired(now + chrono::Duration::hours(2)).await.unwrap(), 3);
    assert_eq!(installation.revision().await, before + 2);
    for key in [&partnership.name, &by_sponsor.name, &short.name] {
        assert!(installation.record(key).await.is_none(), "{key}");
    }
    assert!(installation.record(&kept.name).await.is_some());
    assert_eq!(installation.directory.sweep_expired(now + chrono::Duration::hours(2)).await.unwrap(), 0);
}

pub(crate) async fn a_deleted_user_leaves_every_tree_or_none(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let (acme, other) = (owned(installation, "acme").await.name, owned(installation, "other").await.name);
    give(installation, "users/bob", "buyer", &acme).await.unwrap();
    let owner = give(installation, "users/bob", "owner", &other).await.unwrap();
    let anns = binding_of(installation, &other, ANN).await;
    revoke(installation, &anns.name).await.unwrap();
    assert_eq!(refused(delete_user(installation, "bob").await), "REQUIRED_ROLE");
    assert_eq!(held_by(installation, &acme, "users/bob").await.len(), 2);

    give(installation, ANN, "owner", &other).await.unwrap();
    let gone = delete_user(installation, "bob").await.unwrap();
    assert_eq!((gone.state(), gone.email.as_str()), (api::directory::v1::user::State::Deleted, ""));
    for key in ["users/bob", &format!("{acme}/members/bob"), &format!("{other}/members/bob"), &owner.name] {
        assert!(installation.record(key).await.is_none(), "{key}");
    }
    assert_eq!(refused(give(installation, "users/bob", "buyer", &acme).await), "NOT_FOUND");
    let user = |email: &str| Some(User { email: email.to_owned(), ..User::default() });
    let again = CreateUserRequest { user_id: "bob".to_owned(), user: user("bob2@example.com"), ..Default::default() };
    assert_eq!(refused(installation.users().create_user(by(PLATFORM, again)).await), "ALREADY_EXISTS");
    let same_address = CreateUserRequest { user_id: "robert".to_owned(), user: user("BOB@example.com"), ..Default::default() };
    installation.users().create_user(by(PLATFORM, same_address)).await.unwrap();
}

pub(crate) async fn only_the_platform_may_leave_an_organization_without_an_owner(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    give(installation, "users/bob", "buyer", &acme).await.unwrap();
    let request = || SuspendUserRequest { name: ANN.to_owned(), ..Default::default() };
    assert_eq!(refused(installation.users().suspend_user(by(ANN, request())).await), "NOT_ALLOWED");
    let suspended = installation.users().suspend_user(by(PLATFORM, request())).await.unwrap().into_inner();
    assert_eq!(suspended.organizations_needing_owner, [acme.as_str()]);
    assert!(!suspended.user.unwrap().revision.is_empty());
    // What the platform has left behind hinders nobody.
    let binding = bindings(installation, &acme).await.into_iter().find(|one| one.role == role("buyer")).unwrap();
    revoke(installation, &binding.name).await.unwrap();
}

pub(crate) async fn a_repeated_delete_gets_the_first_answer(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let binding = give(installation, "users/bob", "buyer", &acme).await.unwrap();
    let request = DeleteRoleBindingRequest { name: binding.name, request_id: Uuid::new_v4().to_string(), ..Default::default() };
    let first = installation.role_bindings().delete_role_binding(by(ANN, request.clone())).await.unwrap().into_inner();
    let commits = installation.revision().await;
    assert_eq!(installation.role_bindings().delete_role_binding(by(ANN, request)).await.unwrap().into_inner(), first);
    let name = format!("{acme}/members/bob");
    let request = DeleteMemberRequest { name, request_id: Uuid::new_v4().to_string(), ..Default::default() };
    let first = installation.members().delete_member(by(ANN, request.clone())).await.unwrap().into_inner();
    assert_eq!(installation.members().delete_member(by(ANN, request)).await.unwrap().into_inner(), first);
    assert_eq!(installation.revision().await, commits + 1);
}

pub(crate) async fn an_address_belongs_to_one_user_without_regard_to_case(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let update = |email: &str| UpdateUserRequest {
        user: Some(User { name: "users/bob".to_owned(), email: email.to_owned(), ..User::default() }),
        ..Default::default()
    };
    assert_eq!(refused(installation.users().update_user(by("users/bob", update("bob@example.org"))).await), "NOT_ALLOWED");
    assert_eq!(refused(installation.users().update_user(by(PLATFORM, update("ANN@example.com"))).await), "ALREADY_EXISTS");
    let clear = UpdateUserRequest { update_mask: Some(FieldMask { paths: vec!["email".to_owned()] }), ..update("") };
    assert_eq!(refused(installation.users().update_user(by(PLATFORM, clear)).await), "INVALID_FIELD");
    installation.users().update_user(by(PLATFORM, update("bob@example.org"))).await.unwrap();
    let get = GetUserRequest { name: "users/bob".to_owned() };
    assert_eq!(installation.users().get_user(by("users/bob", get.clone())).await.unwrap().into_inner().email, "bob@example.org");
    assert_eq!(refused(installation.users().get_user(by("users/ann", get)).await), "NOT_ALLOWED");
}

pub(crate) async fn bindings_are_listed_by_node_and_principal_in_pages(installation: &Installation) {
    installation.user("ann").await;
    let acme = owned(installation, "acme").await.name;
    let workspace = installation.workspace(&acme, "emea").await.name;
    for number in 0..5 {
        let reader = group(installation, &acme, &format!("g{number}")).await;
        give(installation, &reader, "viewer", &workspace).await.unwrap();
    }
    let mut request = ListRoleBindingsRequest { parent: acme.clone(), node: workspace.clone(), page_size: 2, ..Default::default() };
    let mut names = Vec::new();
    loop {
        let page = installation.role_bindings().list_role_bindings(by(ANN, request.clone())).await.unwrap().into_inner();
        assert!(page.role_bindings.iter().all(|binding| binding.revision == page.revision && binding.node == workspace));
        names.extend(page.role_bindings.into_iter().map(|binding| binding.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(names.len(), 5);
    assert!(names.is_sorted());
    let principal = format!("{acme}/groups/g3");
    let request = ListRoleBindingsRequest { parent: acme, principal: principal.clone(), ..Default::default() };
    let found = installation.role_bindings().list_role_bindings(by(ANN, request)).await.unwrap().into_inner().role_bindings;
    assert_eq!(found.iter().map(|binding| binding.principal.as_str()).collect::<Vec<_>>(), [principal]);
}

pub(crate) async fn the_roles_that_may_be_given_are_listed_with_what_is_in_the_way(installation: &Installation) {
    installation.user("ann").await;
    owned(installation, "acme").await;
    for id in ["bob", "carl", "dora", "eve", "finn", "gus"] {
        installation.user(id).await;
    }
    let list = async |principal: &str, invite: bool| {
        let request = ListAssignableRolesRequest {
            parent: ACME.to_owned(),
            node: ACME.to_owned(),
            principal: principal.to_owned(),
            invite,
            ..Default::default()
        };
        let listed = installation.role_bindings().list_assignable_roles(by(ANN, request)).await.unwrap().into_inner().roles;
        listed.into_iter().map(|listed| (listed.role.clone(), listed)).collect::<BTreeMap<_, _>>()
    };
    let reason_of = |listed: &BTreeMap<String, AssignableRole>, id: &str| {
        let listed = &listed[&role(id)];
        assert_eq!(listed.assignable, listed.reason.is_empty());
        assert_eq!(listed.assignable, listed.message.is_empty());
        listed.reason.clone()
    };
    let of_bob = list("users/bob", false).await;
    assert_eq!(["owner", "standard", "buyer"].map(|id| reason_of(&of_bob, id)), ["", "", ""]);
    // What is held there, and what it excludes.
    give(installation, "users/bob", "buyer", ACME).await.unwrap();
    let of_bob = list("users/bob", false).await;
    assert_eq!(["owner", "standard", "buyer"].map(|id| reason_of(&of_bob, id)), ["ROLE_EXCLUSIVE", "ALREADY_EXISTS", "ALREADY_EXISTS"]);
    // The last seat.
    for id in ["carl", "dora", "eve"] {
        give(installation, &format!("users/{id}"), "buyer", ACME).await.unwrap();
    }
    let of_finn = list("users/finn", false).await;
    assert_eq!((reason_of(&of_finn, "buyer").as_str(), of_finn[&role("buyer")].seats, of_finn[&role("buyer")].seats_taken), ("", 5, 4));
    give(installation, "users/gus", "buyer", ACME).await.unwrap();
    for principal in ["users/finn", ""] {
        let listed = list(principal, false).await;
        assert_eq!((reason_of(&listed, "buyer").as_str(), listed[&role("buyer")].seats_taken), ("SEATS_TAKEN", 5));
        assert!(listed[&role("buyer")].message.contains('5'));
        assert_eq!(reason_of(&listed, "owner"), "");
    }
    // Only users hold what is counted.
    let group = group(installation, ACME, "buyers").await;
    assert_eq!(reason_of(&list(&group, false).await, "buyer"), "INVALID_BINDING");
    // Where a grant does not join, only members are invited, too.
    installation.authz.says().membership.grant_joins = false;
    assert_eq!(reason_of(&list("users/finn", false).await, "standard"), "NOT_A_MEMBER");
    assert_eq!(reason_of(&list("users/finn", true).await, "standard"), "NOT_A_MEMBER");
    assert_eq!(reason_of(&list("", true).await, "standard"), "NOT_A_MEMBER");
    // Authz comes first.
    installation.authz.says().denied.insert(role("standard"));
    assert_eq!(reason_of(&list("users/finn", false).await, "standard"), "NOT_ALLOWED");
    installation.authz.says().denied.insert(ACME.to_owned());
    let request = ListAssignableRolesRequest { parent: ACME.to_owned(), node: ACME.to_owned(), ..Default::default() };
    let refused = installation.role_bindings().list_assignable_roles(by(ANN, request)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
    let request = ListAssignableRolesRequest { parent: ACME.to_owned(), node: "organizations/other".to_owned(), ..Default::default() };
    let refused = installation.role_bindings().list_assignable_roles(by(ANN, request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
