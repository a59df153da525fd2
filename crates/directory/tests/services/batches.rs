//! Several bindings or members by one call: all or none, and of which one a refusal is.

use api::directory::v1::{
    BatchCreateMembersRequest, BatchCreateRoleBindingsRequest, BatchDeleteRoleBindingsRequest, BatchUpdateMembersRequest,
    BatchUpdateRoleBindingsRequest, CreateMemberRequest, CreateRoleBindingRequest, DeleteRoleBindingRequest, Member, MemberRole,
    RoleBinding, UpdateMemberRequest, UpdateRoleBindingRequest, member,
};
use prost_types::FieldMask;
use tonic::Status;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    access::{ANN, at, binding_of, bindings, give, grant, held_by, owned, refused, role},
    installation::{Installation, by, reason},
};

const ACME: &str = "organizations/acme";

async fn people(installation: &Installation, ids: &[&str]) {
    for id in ids {
        installation.user(id).await;
    }
}

fn wanted(roles: &[(&str, &str)]) -> BatchCreateRoleBindingsRequest {
    let requests = roles.iter().map(|(user, role)| grant(&format!("users/{user}"), role, ACME)).collect();
    BatchCreateRoleBindingsRequest { parent: ACME.into(), requests, ..Default::default() }
}

async fn give_all(installation: &Installation, request: BatchCreateRoleBindingsRequest) -> Result<Vec<RoleBinding>, Status> {
    Ok(installation.role_bindings().batch_create_role_bindings(by(ANN, request)).await?.into_inner().role_bindings)
}

async fn change_all(installation: &Installation, changed: &[RoleBinding]) -> Result<Vec<RoleBinding>, Status> {
    let one = |binding: &RoleBinding| UpdateRoleBindingRequest { role_binding: Some(binding.clone()), ..Default::default() };
    let requests = changed.iter().map(one).collect();
    let request = BatchUpdateRoleBindingsRequest { parent: ACME.into(), requests, ..Default::default() };
    Ok(installation.role_bindings().batch_update_role_bindings(by(ANN, request)).await?.into_inner().role_bindings)
}

fn gone(names: &[&str]) -> BatchDeleteRoleBindingsRequest {
    let requests = names.iter().map(|name| DeleteRoleBindingRequest { name: (*name).to_owned(), ..Default::default() }).collect();
    BatchDeleteRoleBindingsRequest { parent: ACME.into(), requests, ..Default::default() }
}

async fn revoke_all(installation: &Installation, request: BatchDeleteRoleBindingsRequest) -> Result<Vec<RoleBinding>, Status> {
    Ok(installation.role_bindings().batch_delete_role_bindings(by(ANN, request)).await?.into_inner().role_bindings)
}

async fn edit_all(installation: &Installation, members: Vec<Member>, mask: &str) -> Result<Vec<Member>, Status> {
    let update_mask = Some(FieldMask { paths: vec![mask.to_owned()] });
    let one = |member| UpdateMemberRequest { member: Some(member), update_mask: update_mask.clone(), ..Default::default() };
    let requests = members.into_iter().map(one).collect();
    let request = BatchUpdateMembersRequest { parent: ACME.into(), requests, ..Default::default() };
    Ok(installation.members().batch_update_members(by(ANN, request)).await?.into_inner().members)
}

fn with_roles(user: &str, roles: &[&str]) -> Member {
    let roles = roles.iter().map(|id| MemberRole { role: role(id), ..MemberRole::default() }).collect();
    Member { name: format!("{ACME}/members/{user}"), roles, ..Member::default() }
}

/// The reason, and of which of the requests.
fn of<T: std::fmt::Debug>(result: Result<T, Status>) -> (String, String) {
    let status = result.unwrap_err();
    let metadata = status.get_error_details().error_info().unwrap().metadata.clone();
    (reason(&status), metadata.get("at").cloned().unwrap_or_default())
}

fn said(reason: &str, place: &str) -> (String, String) {
    (reason.to_owned(), place.to_owned())
}

fn wrong<T: std::fmt::Debug>(result: Result<T, Status>) -> Vec<String> {
    let details = result.unwrap_err().get_error_details();
    details.bad_request().unwrap().field_violations.iter().map(|field| field.field.clone()).collect()
}

/// How many entries of an action are in the trail of the organization.
async fn audited(installation: &Installation, action: &str) -> usize {
    let scope = ledger::AuditScope::Owner(ACME.to_owned());
    let action = Some(action.to_owned());
    let query = ledger::AuditQuery { scope, actor: None, action, since: None, until: None, before: None, limit: 100 };
    installation.ledger.audit_trail(&query).await.unwrap().records.len()
}

pub(crate) async fn several_roles_are_given_by_one_commit_or_none(installation: &Installation) {
    people(installation, &["ann", "bob", "cy", "dan"]).await;
    owned(installation, "acme").await;
    let roles = [("bob", "buyer"), ("cy", "owner"), ("bob", "viewer"), ("dan", "standard")];
    let request = BatchCreateRoleBindingsRequest { request_id: Uuid::new_v4().to_string(), ..wanted(&roles) };

    let before = (installation.revision().await, audited(installation, "role_bindings.create").await);
    let verdict = give_all(installation, BatchCreateRoleBindingsRequest { validate_only: true, ..request.clone() }).await.unwrap();
    assert_eq!((verdict.len(), installation.revision().await), (4, before.0));
    let given = give_all(installation, request.clone()).await.unwrap();
    assert_eq!(installation.revision().await, before.0 + 1);
    // Bob has joined with the default role; whoever was given an organization role has no other.
    assert_eq!(audited(installation, "role_bindings.create").await, before.1 + 5);
    let told = given.iter().map(|one| (one.principal.as_str(), one.role.clone())).collect::<Vec<_>>();
    assert_eq!(
        told,
        roles.map(|(user, id)| (["users/bob", "users/cy", "users/dan"].into_iter().find(|name| name.ends_with(user)).unwrap(), role(id)))
    );
    assert!(given.iter().all(|one| !one.revision.is_empty() && one.revision == given[0].revision));
    let mut bobs = held_by(installation, ACME, "users/bob").await;
    bobs.sort();
    assert_eq!(bobs, [role("buyer"), role("standard"), role("viewer")]);
    assert_eq!(held_by(installation, ACME, "users/cy").await, [role("owner")]);
    for binding in &given {
        assert!(installation.record(&binding.name).await.is_some());
    }
    assert_eq!(give_all(installation, request.clone()).await.unwrap(), given);
    let other = BatchCreateRoleBindingsRequest { request_id: request.request_id, ..wanted(&[("dan", "buyer")]) };
    assert_eq!(refused(give_all(installation, other).await), "REQUEST_ID_REUSED");
}

pub(crate) async fn of_several_roles_the_first_that_cannot_be_given_is_named(installation: &Installation) {
    people(installation, &["ann", "bob", "u0", "u1", "u2", "u3", "u4", "u5"]).await;
    owned(installation, "acme").await;
    give(installation, "users/bob", "viewer", ACME).await.unwrap();
    let before = installation.revision().await;
    let tried = async |roles: &[(&str, &str)]| of(give_all(installation, wanted(roles)).await);
    assert_eq!(tried(&[("u0", "viewer"), ("nobody", "viewer")]).await, said("NOT_FOUND", "requests[1].role_binding"));
    assert_eq!(tried(&[("u0", "viewer"), ("bob", "buyer"), ("bob", "viewer")]).await, said("ALREADY_EXISTS", "requests[2].role_binding"));
    assert_eq!(tried(&[("u0", "owner"), ("u0", "standard")]).await, said("ROLE_EXCLUSIVE", "requests[1].role_binding"));
    let six = ["u0", "u1", "u2", "u3", "u4", "u5"].map(|user| (user, "buyer"));
    assert_eq!(tried(&six).await, said("SEATS_TAKEN", "requests[5].role_binding"));
    let status = give_all(installation, wanted(&six)).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["index"], "5");
    let mut past = wanted(&[("u0", "viewer"), ("u1", "viewer")]);
    past.requests[1].role_binding.as_mut().unwrap().expire_time = Some(at(-1));
    let status = give_all(installation, past).await.unwrap_err();
    assert_eq!(wrong(Err::<(), _>(status)), ["requests[1].role_binding.expire_time"]);
    // A permit is for all of them; which one it is refused for is found out.
    installation.authz.says().denied.insert(format!("assigns {}", role("owner")));
    for count in 1..=6 {
        let mut roles: Vec<_> = six.iter().take(count).map(|(user, _)| (*user, "viewer")).collect();
        roles[count / 2].1 = "owner";
        roles[count - 1].1 = "owner";
        assert_eq!(tried(&roles).await, said("NOT_ALLOWED", &format!("requests[{}].role_binding", count / 2)));
    }
    installation.authz.says().denied.clear();

    assert_eq!(
        wrong(give_all(installation, wanted(&[("u0", "viewer"), ("u1", "viewer"), ("u0", "viewer")])).await),
        ["requests[2].role_binding"]
    );
    let mut odd = wanted(&[("u0", "Viewer"), ("u1", "viewer"), ("u2", "viewer"), ("u3", "viewer")]);
    odd.requests[1] = CreateRoleBindingRequest { parent: "organizations/other".into(), ..odd.requests[1].clone() };
    odd.requests[2] = CreateRoleBindingRequest { request_id: Uuid::new_v4().to_string(), ..odd.requests[2].clone() };
    odd.requests[3] = CreateRoleBindingRequest { validate_only: true, ..odd.requests[3].clone() };
    let expected = ["requests[0].role_binding.role", "requests[1].parent", "requests[2].request_id", "requests[3].validate_only"];
    assert_eq!(wrong(give_all(installation, odd).await), expected);
    let mut same_id = wanted(&[("u0", "viewer"), ("u1", "viewer")]);
    same_id.requests.iter_mut().for_each(|one| one.role_binding_id = "b1".into());
    assert_eq!(wrong(give_all(installation, same_id).await), ["requests[1].role_binding_id"]);
    assert_eq!(wrong(give_all(installation, wanted(&[])).await), ["requests"]);
    assert_eq!(wrong(give_all(installation, wanted(&vec![("u0", "viewer"); 101])).await), ["requests"]);
    assert_eq!(installation.revision().await, before);
    // Five seats are five.
    give_all(installation, wanted(&six[..5])).await.unwrap();
}

pub(crate) async fn several_bindings_are_changed_at_once_so_that_two_change_places(installation: &Installation) {
    people(installation, &["ann", "bob"]).await;
    owned(installation, "acme").await;
    give(installation, "users/bob", "standard", ACME).await.unwrap();
    let changed = |binding: &RoleBinding, id: &str| RoleBinding {
        name: binding.name.clone(),
        etag: binding.etag.clone(),
        role: role(id),
        ..RoleBinding::default()
    };
    let (anns, bobs) = (binding_of(installation, ACME, ANN).await, binding_of(installation, ACME, "users/bob").await);
    let before = installation.revision().await;
    let places = [changed(&anns, "standard"), changed(&bobs, "owner")];
    let done = change_all(installation, &places).await.unwrap();
    assert_eq!((installation.revision().await, done[0].role.clone(), done[1].role.clone()), (before + 1, role("standard"), role("owner")));
    assert_eq!(done.iter().map(|one| one.etag.as_str()).collect::<Vec<_>>(), ["2", "2"]);
    assert_eq!(of(change_all(installation, &places).await), said("ETAG_MISMATCH", "requests[0].role_binding"));

    let before = installation.revision().await;
    assert_eq!(
        of(change_all(installation, &[changed(&done[0], "standard"), changed(&done[1], "standard")]).await),
        said("REQUIRED_ROLE", "")
    );
    let none = RoleBinding { name: format!("{ACME}/roleBindings/none"), ..Default::default() };
    assert_eq!(
        of(change_all(installation, &[changed(&done[0], "buyer"), changed(&none, "buyer")]).await),
        said("NOT_FOUND", "requests[1].role_binding")
    );
    installation.authz.says().denied.insert(format!("assigns {}", role("buyer")));
    assert_eq!(
        of(change_all(installation, &[changed(&done[1], "owner"), changed(&done[0], "buyer")]).await),
        said("NOT_ALLOWED", "requests[1].role_binding")
    );
    let foreign = RoleBinding { name: "organizations/other/roleBindings/b".into(), ..Default::default() };
    let twice = [changed(&done[0], "owner"), changed(&foreign, "owner")];
    assert_eq!(wrong(change_all(installation, &twice).await), ["requests[1].role_binding.name"]);
    assert_eq!(wrong(change_all(installation, &[done[0].clone(), done[0].clone()]).await), ["requests[1].role_binding.name"]);
    assert_eq!(installation.revision().await, before);
}

pub(crate) async fn several_bindings_are_revoked_by_one_commit_or_none(installation: &Installation) {
    people(installation, &["ann", "bob", "cy"]).await;
    owned(installation, "acme").await;
    let given = give_all(installation, wanted(&[("bob", "buyer"), ("cy", "buyer"), ("bob", "owner")])).await.unwrap();
    let [one, two, bobs] = [&given[0].name, &given[1].name, &given[2].name].map(String::as_str);
    let anns = binding_of(installation, ACME, ANN).await.name;
    let before = installation.revision().await;
    assert_eq!(of(revoke_all(installation, gone(&[one, bobs, &anns])).await), said("REQUIRED_ROLE", ""));
    assert_eq!(wrong(revoke_all(installation, gone(&[one, two, one])).await), ["requests[2].name"]);
    assert_eq!(wrong(revoke_all(installation, gone(&[one, "organizations/other/roleBindings/b"])).await), ["requests[1].name"]);
    let mut stale = gone(&[one, two]);
    stale.requests[1].etag = "7".into();
    assert_eq!(of(revoke_all(installation, stale).await), said("ETAG_MISMATCH", "requests[1]"));
    installation.authz.says().denied.insert(format!("revokes {two}"));
    assert_eq!(of(revoke_all(installation, gone(&[one, two])).await), said("NOT_ALLOWED", "requests[1]"));
    installation.authz.says().denied.clear();
    assert_eq!(installation.revision().await, before);

    let request = BatchDeleteRoleBindingsRequest { request_id: Uuid::new_v4().to_string(), ..gone(&[two, one]) };
    let ended = revoke_all(installation, request.clone()).await.unwrap();
    assert_eq!((installation.revision().await, audited(installation, "role_bindings.delete").await), (before + 1, 2));
    assert_eq!(ended.iter().map(|binding| binding.name.as_str()).collect::<Vec<_>>(), [two, one]);
    assert!(installation.record(one).await.is_none() && installation.record(two).await.is_none());
    assert_eq!(revoke_all(installation, request).await.unwrap(), ended);
    assert_eq!(of(revoke_all(installation, gone(&[bobs, one])).await), said("NOT_FOUND", "requests[1]"));
}

pub(crate) async fn several_are_taken_in_with_their_roles_by_one_commit_or_none(installation: &Installation) {
    people(installation, &["ann", "bob", "cy", "u0", "u1", "u2", "u3", "u4", "u5"]).await;
    owned(installation, "acme").await;
    let request = |users: &[(&str, &[&str])]| {
        let roles = |ids: &[&str]| ids.iter().map(|id| MemberRole { role: role(id), ..MemberRole::default() }).collect();
        let one =
            |(user, ids): &(&str, &[&str])| CreateMemberRequest { user: format!("users/{user}"), roles: roles(ids), ..Default::default() };
        BatchCreateMembersRequest { parent: ACME.into(), requests: users.iter().map(one).collect(), ..Default::default() }
    };
    let take_in = async |request: BatchCreateMembersRequest| {
        Ok::<_, Status>(installation.members().batch_create_members(by(ANN, request)).await?.into_inner().members)
    };
    let before = installation.revision().await;
    let wanted =
        BatchCreateMembersRequest { request_id: Uuid::new_v4().to_string(), ..request(&[("bob", &["owner", "buyer"]), ("cy", &[])]) };
    let taken = take_in(wanted.clone()).await.unwrap();
    assert_eq!((installation.revision().await, audited(installation, "members.create").await), (before + 1, 3));
    let told = taken.iter().map(|member| (member.user.as_str(), member.organization_role.clone(), member.roles.len())).collect::<Vec<_>>();
    assert_eq!(told, [("users/bob", role("owner"), 2), ("users/cy", role("standard"), 1)]);
    assert!(taken.iter().all(|member| !member.revision.is_empty()));
    assert_eq!(take_in(wanted).await.unwrap(), taken);

    let before = installation.revision().await;
    assert_eq!(of(take_in(request(&[("u0", &[]), ("bob", &[])])).await), said("ALREADY_EXISTS", "requests[1]"));
    assert_eq!(of(take_in(request(&[("u0", &["viewer"]), ("nobody", &[])])).await), said("NOT_FOUND", "requests[1]"));
    assert_eq!(of(take_in(request(&[("u0", &[]), ("u1", &["owner", "standard"])])).await), said("ROLE_EXCLUSIVE", "requests[1].roles[1]"));
    let buyers: Vec<(&str, &[&str])> = ["u0", "u1", "u2", "u3", "u4"].map(|user| (user, &["viewer", "buyer"] as &[&str])).into();
    assert_eq!(of(take_in(request(&buyers)).await), said("SEATS_TAKEN", "requests[4].roles[1]"));
    installation.authz.says().denied.insert(format!("assigns {}", role("owner")));
    assert_eq!(
        of(take_in(request(&[("u0", &["viewer"]), ("u1", &["viewer", "owner"])])).await),
        said("NOT_ALLOWED", "requests[1].roles[1]")
    );
    installation.authz.says().denied.insert("members.create".to_owned());
    assert_eq!(of(take_in(request(&[("u0", &[])])).await), said("NOT_ALLOWED", ""));
    installation.authz.says().denied.clear();
    assert_eq!(wrong(take_in(request(&[("u0", &[]), ("u0", &[])])).await), ["requests[1].user"]);
    assert_eq!(wrong(take_in(request(&[("u0", &[]), ("u1", &["Owner"])])).await), ["requests[1].roles[0].role"]);
    assert_eq!(wrong(take_in(request(&[])).await), ["requests"]);
    assert_eq!(installation.revision().await, before);
}

pub(crate) async fn several_members_are_changed_at_once_so_that_two_change_places(installation: &Installation) {
    people(installation, &["ann", "bob", "cy"]).await;
    owned(installation, "acme").await;
    give_all(installation, wanted(&[("bob", "standard"), ("cy", "standard")])).await.unwrap();
    let before = installation.revision().await;
    let edited =
        edit_all(installation, vec![with_roles("ann", &["standard", "viewer"]), with_roles("bob", &["owner"])], "roles").await.unwrap();
    assert_eq!(installation.revision().await, before + 1);
    assert_eq!(edited.iter().map(|member| member.organization_role.clone()).collect::<Vec<_>>(), [role("standard"), role("owner")]);
    assert_eq!(edited.iter().map(|member| member.roles.len()).collect::<Vec<_>>(), [2, 1]);

    let before = installation.revision().await;
    let none = edit_all(installation, vec![with_roles("ann", &["standard"]), with_roles("bob", &["standard"])], "roles").await;
    assert_eq!(of(none), said("REQUIRED_ROLE", ""));
    let missing = edit_all(installation, vec![with_roles("ann", &["standard"]), with_roles("nobody", &["standard"])], "roles").await;
    assert_eq!(of(missing), said("NOT_FOUND", "requests[1]"));
    let both = edit_all(installation, vec![with_roles("ann", &[]), with_roles("cy", &["owner", "standard"])], "roles").await;
    assert_eq!(of(both), said("ROLE_EXCLUSIVE", "requests[1].member.roles[0]"));
    let state = |user: &str, state: member::State| Member { state: state.into(), ..with_roles(user, &[]) };
    let last = edit_all(installation, vec![state("cy", member::State::Suspended), state("bob", member::State::Suspended)], "state").await;
    assert_eq!(of(last), said("REQUIRED_ROLE", "requests[1]"));
    let anns = bindings(installation, ACME).await.into_iter().find(|one| one.principal == ANN && one.role == role("viewer")).unwrap().name;
    installation.authz.says().denied.insert(format!("revokes {anns}"));
    assert_eq!(
        of(edit_all(installation, vec![with_roles("cy", &["owner"]), with_roles("ann", &["standard"])], "roles").await),
        said("NOT_ALLOWED", "requests[1]")
    );
    installation.authz.says().denied.clear();
    let stale = Member { etag: "9".into(), ..with_roles("cy", &["owner"]) };
    assert_eq!(
        of(edit_all(installation, vec![with_roles("ann", &["standard"]), stale], "roles").await),
        said("ETAG_MISMATCH", "requests[1]")
    );
    assert_eq!(
        wrong(edit_all(installation, vec![with_roles("cy", &[]), with_roles("cy", &[])], "roles").await),
        ["requests[1].member.name"]
    );
    let foreign = Member { name: "organizations/other/members/cy".into(), ..with_roles("cy", &[]) };
    assert_eq!(wrong(edit_all(installation, vec![foreign], "roles").await), ["requests[0].member.name"]);
    let missing = UpdateMemberRequest { member: Some(with_roles("nobody", &["owner"])), allow_missing: true, ..Default::default() };
    let request = BatchUpdateMembersRequest { parent: ACME.into(), requests: vec![missing], ..Default::default() };
    assert_eq!(wrong(installation.members().batch_update_members(by(ANN, request)).await), ["requests[0].allow_missing"]);
    assert_eq!(installation.revision().await, before);

    // Whoever comes back is an owner before the other one goes.
    edit_all(installation, vec![with_roles("ann", &["owner"])], "roles").await.unwrap();
    edit_all(installation, vec![state("ann", member::State::Suspended)], "state").await.unwrap();
    let turned =
        edit_all(installation, vec![state("bob", member::State::Suspended), state("ann", member::State::Active)], "state").await.unwrap();
    assert_eq!(turned.iter().map(Member::state).collect::<Vec<_>>(), [member::State::Suspended, member::State::Active]);
}

pub(crate) async fn members_that_stay_stay_by_every_batch(installation: &Installation) {
    people(installation, &["ann", "bob", "cy"]).await;
    owned(installation, "acme").await;
    installation.authz.says().membership.permanent = true;
    let given = give_all(installation, wanted(&[("bob", "standard"), ("cy", "standard"), ("bob", "buyer")])).await.unwrap();
    let [bobs, cys, buyer] = [&given[0], &given[1], &given[2]];
    assert_eq!(of(revoke_all(installation, gone(&[&buyer.name, &bobs.name])).await), said("MEMBERS_STAY", "requests[1]"));
    let to = |binding: &RoleBinding, id: &str| RoleBinding { name: binding.name.clone(), role: role(id), ..RoleBinding::default() };
    assert_eq!(
        of(change_all(installation, &[to(cys, "owner"), to(bobs, "viewer")]).await),
        said("MEMBERS_STAY", "requests[1].role_binding")
    );
    let ending = RoleBinding { name: bobs.name.clone(), expire_time: Some(at(3600)), ..RoleBinding::default() };
    assert_eq!(of(change_all(installation, &[to(cys, "owner"), ending]).await), said("MEMBERS_STAY", "requests[1].role_binding"));
    let mut ending = wanted(&[("cy", "viewer"), ("new", "standard")]);
    installation.user("new").await;
    ending.requests[1].role_binding.as_mut().unwrap().expire_time = Some(at(3600));
    assert_eq!(of(give_all(installation, ending).await), said("MEMBERS_STAY", "requests[1].role_binding"));
    let edited = edit_all(installation, vec![with_roles("cy", &["owner"]), with_roles("bob", &["buyer"])], "roles").await;
    assert_eq!(of(edited), said("MEMBERS_STAY", "requests[1]"));
    revoke_all(installation, gone(&[&buyer.name])).await.unwrap();
    assert_eq!(held_by(installation, ACME, "users/bob").await, [role("standard")]);
}
