//! Nobody gets or gives more than they have by a group, an invitation, a partner, a file, a batch or a user of their own (DESIGN §6, invariants 1 and 3),
//! on running services.

use api::{
    directory::v1::{import_request::Message, import_response::Outcome, import_row::Resource, *},
    rolecatalog::v1::{
        CreateRoleRequest, DeleteRoleRequest, PushRoleModelRequest, Role, push_role_model_request::Source, role_model_document::Grant,
    },
};
use client::{session::Session, world::load};
use decision::world::World;
use tests::{
    installation::{Installation, Layout, Store},
    services::reason,
};
use tonic::Status;
use tonic_types::StatusExt;

/// Owners have everything, in customers too. A lead works and sees to people, and so gives work, and neither more nor the crown. A handler does the same for the customers of a
/// workspace.
const MODEL: &str = "
model: guild
title: Guild
components:
  - { id: work, title: Work }
  - { id: more, title: More }
  - { id: people, title: People }
  - { id: crown, title: Crown }
permissions:
  - { id: work.do, types: [organization, workspace] }
  - { id: more.do, types: [organization, workspace] }
  - { id: people.assign, types: [organization, workspace] }
  - { id: crown.give, types: [organization, workspace] }
roles:
  - id: owner
    held_at: organization
    principals: [user]
    contained: true
    assign_with: crown.give
    grants:
      - everything: {}
        components: { organization: edit, workspaces: edit, accounts: edit, members: edit, groups: edit, partners: edit, access: edit, roles: edit, invitations: edit }
        through_customers: true
  - id: lead
    held_at: organization
    principals: [user]
    contained: true
    assign_with: crown.give
    grants: [{ components: { work: edit, people: edit, members: edit, groups: edit, partners: edit, access: edit, invitations: edit, organization: view } }]
  - id: handler
    held_at: workspace
    contained: true
    assign_with: crown.give
    grants: [{ components: { work: edit, people: edit, members: edit, organization: view }, through_customers: true }]
  - id: worker
    held_at: organization
    principals: [user, group, organization]
    contained: true
    assign_with: people.assign
    grants: [{ components: { work: edit } }]
  - id: boss
    held_at: organization
    principals: [user, group, organization]
    contained: true
    assign_with: people.assign
    grants: [{ components: { work: edit, more: edit } }]
custom_roles: { held_at: [organization], define_with: crown.give, assign_with: people.assign }
membership:
  on_grant: join
  leave: true
";

const WORLD: &str = "
users: [olga, lena, tom, una, hank, sam, sue, new]
organizations:
  - id: acme
    model: guild
    workspaces: [{ id: north }]
    members: [olga, lena, tom, hank]
    groups: [{ id: low }, { id: mid }, { id: high }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: lena, role: lead }
      - { principal: groups/low, role: worker }
      - { principal: groups/high, role: boss }
  - id: shop
    parent: acme/workspaces/north
    members: [una]
    bindings: [{ principal: una, role: owner }]
  - id: other
    model: guild
    members: [sam, sue]
    groups: [{ id: staff, members: [sue] }]
    bindings: [{ principal: sam, role: owner }]
";

const ACME: &str = "organizations/acme";
const SHOP: &str = "organizations/shop";
const NORTH: &str = "organizations/acme/workspaces/north";

async fn guild<const N: usize>(names: [&str; N]) -> (Installation, [Session; N]) {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let platform = installation.platform();
    let request = PushRoleModelRequest { source: Some(Source::Yaml(MODEL.into())), ..Default::default() };
    platform.role_models().push_role_model(request).await.unwrap();
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&platform, &world).await.unwrap();
    let sessions = names.map(|name| installation.on_behalf_of(&format!("users/{name}")));
    (installation, sessions)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, expected: &str) -> Status {
    let status = answer.expect_err(expected);
    assert_eq!(reason(&status), expected, "{}", status.message());
    status
}

/// Of a part of a request.
#[track_caller]
fn refused_at<T: std::fmt::Debug>(answer: Result<T, Status>, expected: &str, place: &str) {
    let status = refused(answer, expected);
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["at"], place);
}

/// The same bytes.
#[track_caller]
fn alike<T: std::fmt::Debug>(there: Result<T, Status>, missing: Result<T, Status>) {
    let (there, missing) = (there.unwrap_err(), missing.unwrap_err());
    assert_eq!((there.code(), there.message(), there.details()), (missing.code(), missing.message(), missing.details()));
}

fn role(id: &str) -> String {
    format!("roleModels/guild/roles/{id}")
}

fn binding(principal: &str, id: &str, node: &str) -> RoleBinding {
    RoleBinding { principal: principal.into(), role: role(id), node: node.into(), ..Default::default() }
}

async fn assign(who: &Session, given: RoleBinding) -> Result<RoleBinding, Status> {
    let parent = given.node.split('/').take(2).collect::<Vec<_>>().join("/");
    let request = CreateRoleBindingRequest { parent, role_binding: Some(given), ..Default::default() };
    Ok(who.role_bindings().create_role_binding(request).await?.into_inner())
}

async fn held(installation: &Installation, organization: &str, principal: &str) -> Vec<RoleBinding> {
    let request =
        ListRoleBindingsRequest { parent: organization.into(), principal: principal.into(), page_size: 1000, ..Default::default() };
    installation.platform().role_bindings().list_role_bindings(request).await.unwrap().into_inner().role_bindings
}

async fn join(who: &Session, group: &str, member: &str) -> Result<(), Status> {
    let request = AddGroupMemberRequest { group: format!("{ACME}/groups/{group}"), member: member.into(), ..Default::default() };
    who.groups().add_group_member(request).await.map(drop)
}

async fn invite(who: &Session, email: &str, role: String, node: &str) -> Result<Invitation, Status> {
    let invitation = Invitation { email: email.into(), role, node: node.into(), ..Default::default() };
    let request = CreateInvitationRequest { parent: node.into(), invitation: Some(invitation), ..Default::default() };
    Ok(who.invitations().create_invitation(request).await?.into_inner())
}

async fn accept(who: &Session, token: &str) -> Result<AcceptInvitationResponse, Status> {
    let request = AcceptInvitationRequest { token: token.into(), ..Default::default() };
    Ok(who.invitations().accept_invitation(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_gives_nobody_more_than_who_puts_them_into_it_has() {
    let (installation, [olga, lena]) = guild(["olga", "lena"]).await;
    let group = |id: &str| format!("{ACME}/groups/{id}");
    // Oneself, somebody else, a group that has less, and one that has nothing yet.
    for member in ["users/lena".to_owned(), "users/tom".to_owned(), group("low"), group("mid")] {
        refused(join(&lena, "high", &member).await, "NOT_CONTAINED");
    }
    join(&lena, "low", "users/tom").await.unwrap();
    // Who has more gets the less too, and whoever is in it.
    join(&lena, "low", &group("high")).await.unwrap();
    // By a group between.
    join(&olga, "high", &group("mid")).await.unwrap();
    refused(join(&lena, "mid", "users/lena").await, "NOT_CONTAINED");
    refused(assign(&lena, binding(&group("mid"), "owner", ACME)).await, "NOT_ALLOWED");
    refused(assign(&lena, binding(&group("low"), "boss", ACME)).await, "NOT_CONTAINED");
    // A group that is given a role later takes what is in it along.
    let request = CreateGroupRequest {
        parent: ACME.into(),
        group_id: "own".into(),
        group: Some(Group { display_name: "Own".into(), ..Default::default() }),
        ..Default::default()
    };
    lena.groups().create_group(request).await.unwrap();
    join(&lena, "own", "users/lena").await.unwrap();
    refused(assign(&lena, binding(&group("own"), "boss", ACME)).await, "NOT_CONTAINED");
    refused(join(&lena, "high", &group("own")).await, "NOT_CONTAINED");
    assert!(held(&installation, ACME, &group("own")).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partnership_gives_no_more_than_who_assigns_by_it_has_and_nothing_when_it_is_over() {
    let (installation, [lena, sam, sue]) = guild(["lena", "sam", "sue"]).await;
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(20);
    let offer = Partnership {
        partner: "organizations/other".into(),
        node: ACME.into(),
        roles: vec![role("worker"), role("boss")],
        expire_time: Some(soon.into()),
        ..Default::default()
    };
    let request =
        CreatePartnershipRequest { parent: ACME.into(), partnership_id: "p1".into(), partnership: Some(offer), ..Default::default() };
    let sponsor = lena.partnerships().create_partnership(request).await.unwrap().into_inner().name;
    sam.partnerships().accept_partnership(AcceptPartnershipRequest { name: sponsor.clone(), ..Default::default() }).await.unwrap();
    let given = |principal: &str, id: &str| RoleBinding { sponsor: sponsor.clone(), ..binding(principal, id, ACME) };
    for principal in ["users/sue", "organizations/other", "organizations/other/groups/staff"] {
        refused(assign(&lena, given(principal, "boss")).await, "NOT_CONTAINED");
    }
    // The partner's own people give nothing here, and who is not of the partner gets nothing by it.
    refused(assign(&sam, given("users/sue", "worker")).await, "NOT_ALLOWED");
    refused(assign(&sue, given("users/sue", "worker")).await, "NOT_ALLOWED");
    refused(assign(&lena, given("users/tom", "worker")).await, "SPONSOR_LIMIT");
    refused(assign(&lena, given("users/sue", "lead")).await, "NOT_ALLOWED");
    let staff = assign(&lena, given("organizations/other/groups/staff", "worker")).await.unwrap();
    let changed = RoleBinding { name: staff.name.clone(), role: role("boss"), ..Default::default() };
    let request = UpdateRoleBindingRequest { role_binding: Some(changed), ..Default::default() };
    refused(lena.role_bindings().update_role_binding(request).await, "NOT_CONTAINED");
    tokio::time::sleep(soon.duration_since(std::time::SystemTime::now()).unwrap_or_default() + std::time::Duration::from_millis(100)).await;
    let late = assign(&lena, given("users/sue", "worker")).await.unwrap_err();
    assert!(["SPONSOR_LIMIT", "NOT_FOUND"].contains(&reason(&late).as_str()), "{late:?}");
    assert!(held(&installation, ACME, "users/sue").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_gives_what_its_inviter_may_give_when_it_is_made_and_when_it_is_accepted() {
    let (installation, [olga, lena, new]) = guild(["olga", "lena", "new"]).await;
    let address = "new@example.com";
    refused(invite(&lena, address, role("boss"), ACME).await, "NOT_CONTAINED");
    refused(invite(&lena, address, role("owner"), ACME).await, "NOT_ALLOWED");
    refused(invite(&lena, "lena@example.com", role("owner"), ACME).await, "NOT_ALLOWED");
    let draft = |id: &str| InvitationDraft {
        invitation: Some(Invitation { email: address.into(), role: role(id), node: ACME.into(), ..Default::default() }),
        ..Default::default()
    };
    let request = BatchCreateInvitationsRequest { parent: ACME.into(), drafts: vec![draft("worker"), draft("boss")], ..Default::default() };
    let status = refused(lena.invitations().batch_create_invitations(request).await, "NOT_CONTAINED");
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["index"], "1");

    let sent = invite(&lena, address, role("worker"), ACME).await.unwrap();
    // A lead without work gives none.
    let leads = held(&installation, ACME, "users/lena").await;
    let request = DeleteRoleBindingRequest { name: leads[0].name.clone(), ..Default::default() };
    olga.role_bindings().delete_role_binding(request).await.unwrap();
    refused(accept(&new, &sent.token).await, "INVITATION_VOID");
    let resend = ResendInvitationRequest { name: sent.name.clone(), ..Default::default() };
    refused(lena.invitations().resend_invitation(resend.clone()).await, "NOT_ALLOWED");
    assert!(held(&installation, ACME, "users/new").await.is_empty());
    let resent = olga.invitations().resend_invitation(resend).await.unwrap().into_inner();
    refused(accept(&new, &sent.token).await, "NOT_ALLOWED");
    accept(&new, &resent.token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_offered_of_a_role_that_is_gone_cannot_be_accepted() {
    let (installation, [olga, new]) = guild(["olga", "new"]).await;
    let grants = vec![Grant { permissions: vec!["work.do".into()], ..Default::default() }];
    let wanted = Role { title: "Own".into(), held_at: "organization".into(), grants, ..Default::default() };
    let request = CreateRoleRequest { parent: ACME.into(), role_id: "own".into(), role: Some(wanted.clone()), ..Default::default() };
    let own = olga.roles().create_role(request.clone()).await.unwrap().into_inner().name;
    let sent = invite(&olga, "new@example.com", own.clone(), ACME).await.unwrap();
    // An offer gives nothing, so it keeps no role from being deleted.
    olga.roles().delete_role(DeleteRoleRequest { name: own, ..Default::default() }).await.unwrap();
    refused(accept(&new, &sent.token).await, "INVITATION_VOID");
    // Nor does another role come to be meant by it.
    refused(olga.roles().create_role(request).await, "ALREADY_EXISTS");
    refused(accept(&new, &sent.token).await, "INVITATION_VOID");
    assert!(held(&installation, ACME, "users/new").await.is_empty());
    let revoke = RevokeInvitationRequest { name: sent.name, ..Default::default() };
    olga.invitations().revoke_invitation(revoke).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_a_file_and_an_item_of_a_batch_need_what_they_need_alone() {
    let (installation, [lena]) = guild(["lena"]).await;
    let rows = vec![
        Resource::RoleBinding(binding("users/tom", "worker", ACME)),
        Resource::RoleBinding(binding("users/tom", "boss", ACME)),
        Resource::RoleBinding(binding("users/lena", "owner", ACME)),
        Resource::GroupMember(GroupMember { group: format!("{ACME}/groups/high"), member: "users/lena".into(), ..Default::default() }),
        Resource::RoleBinding(binding("users/lena", "owner", SHOP)),
    ];
    let rows = rows.into_iter().zip(1..).map(|(resource, number)| Message::Row(ImportRow { number, resource: Some(resource) }));
    let messages = std::iter::once(Message::Options(ImportOptions::default())).chain(rows);
    let messages: Vec<_> = messages.map(|message| ImportRequest { message: Some(message) }).collect();
    let mut answers = lena.import().import(tokio_stream::iter(messages)).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        told.push((answer.number, answer.outcome(), answer.reason));
    }
    told.sort_by_key(|(number, ..)| *number);
    let expected = [
        (1, Outcome::Done, ""),
        (2, Outcome::Refused, "NOT_CONTAINED"),
        (3, Outcome::Refused, "NOT_ALLOWED"),
        (4, Outcome::Refused, "NOT_CONTAINED"),
        (5, Outcome::Refused, "NOT_ALLOWED"),
    ];
    assert_eq!(told, expected.map(|(number, outcome, reason)| (number, outcome, reason.to_owned())));

    let give = |roles: &[(&str, &str)]| {
        let one = |(principal, id): &(&str, &str)| CreateRoleBindingRequest {
            role_binding: Some(binding(principal, id, ACME)),
            ..Default::default()
        };
        BatchCreateRoleBindingsRequest { parent: ACME.into(), requests: roles.iter().map(one).collect(), ..Default::default() }
    };
    let mut bindings = lena.role_bindings();
    let several = give(&[("users/hank", "worker"), ("users/tom", "boss")]);
    refused_at(bindings.batch_create_role_bindings(several).await, "NOT_CONTAINED", "requests[1].role_binding");
    // What one is given by the first is nothing to give on by the second.
    let by_oneself = give(&[("users/lena", "owner"), ("users/tom", "boss")]);
    refused_at(bindings.batch_create_role_bindings(by_oneself).await, "NOT_ALLOWED", "requests[0].role_binding");
    assert!(held(&installation, ACME, "users/hank").await.is_empty());

    let toms = held(&installation, ACME, "users/tom").await.remove(0).name;
    let olgas = held(&installation, ACME, "users/olga").await.remove(0).name;
    let gone = |name: &str| DeleteRoleBindingRequest { name: name.into(), ..Default::default() };
    let delete = BatchDeleteRoleBindingsRequest { parent: ACME.into(), requests: vec![gone(&toms), gone(&olgas)], ..Default::default() };
    refused_at(bindings.batch_delete_role_bindings(delete).await, "NOT_ALLOWED", "requests[1]");
    let changed = |name: &str, id: &str| {
        let role_binding = Some(RoleBinding { name: name.into(), role: role(id), ..Default::default() });
        UpdateRoleBindingRequest { role_binding, ..Default::default() }
    };
    for (change, expected) in
        [(changed(&toms, "boss"), "NOT_CONTAINED"), (changed(&olgas, "worker"), "NOT_ALLOWED"), (changed(&toms, "owner"), "NOT_ALLOWED")]
    {
        let update = BatchUpdateRoleBindingsRequest { parent: ACME.into(), requests: vec![change], ..Default::default() };
        refused_at(bindings.batch_update_role_bindings(update).await, expected, "requests[0].role_binding");
    }
    let roles = |ids: &[&str]| ids.iter().map(|id| MemberRole { role: role(id), ..Default::default() }).collect::<Vec<_>>();
    let mut members = lena.members();
    let one = CreateMemberRequest { user: "users/new".into(), roles: roles(&["worker", "boss"]), ..Default::default() };
    let create = BatchCreateMembersRequest { parent: ACME.into(), requests: vec![one], ..Default::default() };
    refused_at(members.batch_create_members(create).await, "NOT_CONTAINED", "requests[0].roles[1]");
    let herself = Member { name: format!("{ACME}/members/lena"), roles: roles(&["lead", "boss"]), ..Default::default() };
    let olga = Member { name: format!("{ACME}/members/olga"), roles: roles(&["worker"]), ..Default::default() };
    for (member, expected, place) in
        [(herself, "NOT_CONTAINED", "requests[0].member.roles[1]"), (olga, "NOT_ALLOWED", "requests[0].member.roles[0]")]
    {
        let one = UpdateMemberRequest { member: Some(member), ..Default::default() };
        let update = BatchUpdateMembersRequest { parent: ACME.into(), requests: vec![one], ..Default::default() };
        refused_at(members.batch_update_members(update).await, expected, place);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_managed_user_is_changed_by_who_manages_them_and_is_nobody_anywhere_else() {
    let (installation, [olga, una, hank, sam]) = guild(["olga", "una", "hank", "sam"]).await;
    assign(&installation.platform(), binding("users/hank", "handler", NORTH)).await.unwrap();
    let kim = User { email: "kim@example.com".into(), managed_by: SHOP.into(), ..Default::default() };
    let kim = una.users().create_user(CreateUserRequest { user: Some(kim), ..Default::default() }).await.unwrap().into_inner().name;
    let issuer = "https://login.example.com".to_owned();
    let registered = Issuer { uri: issuer.clone(), organization: ACME.into(), ..Default::default() };
    installation
        .platform()
        .identities()
        .register_issuer(RegisterIssuerRequest { issuer: Some(registered), ..Default::default() })
        .await
        .unwrap();

    // To a stranger they are not there; to whoever manages somebody, others are.
    let link = |user: &str| {
        let identity = Some(Identity { issuer: issuer.clone(), subject: format!("of {user}"), ..Default::default() });
        LinkIdentityRequest { user: user.into(), identity, ..Default::default() }
    };
    let renamed = |user: &str| {
        let user = User { name: user.into(), display_name: "Mine".into(), ..Default::default() };
        UpdateUserRequest { user: Some(user), ..Default::default() }
    };
    let readdressed = |user: &str, email: &str| {
        let user = User { name: user.into(), email: email.into(), ..Default::default() };
        UpdateUserRequest { user: Some(user), ..Default::default() }
    };
    let suspend = |user: &str| SuspendUserRequest { name: user.into(), ..Default::default() };
    let delete = |user: &str| DeleteUserRequest { name: user.into(), ..Default::default() };
    for (who, user) in [(&sam, kim.as_str()), (&una, "users/tom"), (&hank, "users/tom"), (&olga, "users/una")] {
        let missing = "users/missing";
        alike(who.identities().link_identity(link(user)).await, who.identities().link_identity(link(missing)).await);
        alike(who.users().update_user(renamed(user)).await, who.users().update_user(renamed(missing)).await);
        let (address, mut users) = ("taken@example.com", who.users());
        alike(users.update_user(readdressed(user, address)).await, users.update_user(readdressed(missing, address)).await);
        alike(users.suspend_user(suspend(user)).await, users.suspend_user(suspend(missing)).await);
        alike(users.delete_user(delete(user)).await, users.delete_user(delete(missing)).await);
    }
    // Users are suspended by the platform, also one's own.
    refused(una.users().suspend_user(suspend(&kim)).await, "NOT_ALLOWED");
    una.users().update_user(renamed(&kim)).await.unwrap();
    // The agency does it for its customer.
    hank.identities().link_identity(link(&kim)).await.unwrap();

    // Nobody gives them anything elsewhere, by whatever way.
    refused(assign(&olga, binding(&kim, "worker", ACME)).await, "USER_CONFINED");
    let one = CreateRoleBindingRequest { role_binding: Some(binding(&kim, "worker", ACME)), ..Default::default() };
    let several = BatchCreateRoleBindingsRequest { parent: ACME.into(), requests: vec![one], ..Default::default() };
    refused_at(olga.role_bindings().batch_create_role_bindings(several).await, "USER_CONFINED", "requests[0].role_binding");
    let one = CreateMemberRequest { user: kim.clone(), ..Default::default() };
    let several = BatchCreateMembersRequest { parent: "organizations/other".into(), requests: vec![one], ..Default::default() };
    refused_at(sam.members().batch_create_members(several).await, "USER_CONFINED", "requests[0]");
    assign(&una, binding(&kim, "worker", SHOP)).await.unwrap();

    // Nobody takes what was offered to somebody else by giving a user of their own that address.
    let sent = invite(&olga, "vip@example.com", role("boss"), ACME).await.unwrap();
    una.users().update_user(readdressed(&kim, "vip@example.com")).await.unwrap();
    let kims = installation.on_behalf_of(&kim);
    refused(accept(&kims, &sent.token).await, "NOT_ALLOWED");
    let decline = DeclineInvitationRequest { token: sent.token.clone(), ..Default::default() };
    refused(kims.invitations().decline_invitation(decline).await, "NOT_ALLOWED");
    assert!(held(&installation, ACME, &kim).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_that_may_be_given_are_those_that_a_call_would_give_and_the_others_say_why_not() {
    let (installation, [olga, lena, sam]) = guild(["olga", "lena", "sam"]).await;
    let list = async |who: &Session, principal: &str, node: &str| {
        let request =
            ListAssignableRolesRequest { parent: ACME.into(), node: node.into(), principal: principal.into(), ..Default::default() };
        let listed = who.role_bindings().list_assignable_roles(request).await?.into_inner().roles;
        Ok::<_, Status>(listed.into_iter().map(|one| (one.role, one.reason)).collect::<Vec<_>>())
    };
    let said = |roles: &[(&str, &str)]| roles.iter().map(|(id, reason)| (role(id), (*reason).to_owned())).collect::<Vec<_>>();
    let expected = [("owner", "NOT_ALLOWED"), ("lead", "NOT_ALLOWED"), ("worker", ""), ("boss", "NOT_CONTAINED")];
    assert_eq!(list(&lena, "users/tom", ACME).await.unwrap(), said(&expected));
    assert_eq!(list(&lena, "", ACME).await.unwrap(), said(&expected));
    let expected = [("owner", "INVALID_BINDING"), ("lead", "INVALID_BINDING"), ("worker", "ALREADY_EXISTS"), ("boss", "")];
    assert_eq!(list(&olga, &format!("{ACME}/groups/low"), ACME).await.unwrap(), said(&expected));
    assert_eq!(list(&olga, "users/tom", NORTH).await.unwrap(), said(&[("handler", "")]));
    let expected = [("owner", "SPONSOR_LIMIT"), ("lead", "SPONSOR_LIMIT"), ("worker", "SPONSOR_LIMIT"), ("boss", "SPONSOR_LIMIT")];
    let request = ListAssignableRolesRequest {
        parent: ACME.into(),
        node: ACME.into(),
        principal: "users/sue".into(),
        sponsor: format!("{ACME}/partnerships/none"),
        ..Default::default()
    };
    let listed = olga.role_bindings().list_assignable_roles(request).await.unwrap().into_inner().roles;
    assert_eq!(listed.into_iter().map(|one| (one.role, one.reason)).collect::<Vec<_>>(), said(&expected));
    // What it says is what the call does.
    for who in [&olga, &lena] {
        for (role, reason_said) in list(who, "users/tom", ACME).await.unwrap() {
            let given = RoleBinding { role, ..binding("users/tom", "", ACME) };
            let request =
                CreateRoleBindingRequest { parent: ACME.into(), role_binding: Some(given), validate_only: true, ..Default::default() };
            let done = who.role_bindings().create_role_binding(request).await;
            assert_eq!(done.as_ref().err().map(reason).unwrap_or_default(), reason_said, "{done:?}");
        }
    }
    // To a stranger what is there looks like what is not.
    alike(list(&sam, "users/tom", ACME).await, list(&sam, "users/tom", &format!("{ACME}/workspaces/none")).await);
    assert!(held(&installation, ACME, "users/tom").await.is_empty());
}

const STUDIO: &str = "
users: [sally, mike, dora, otto, mia, stranger]
organizations:
  - id: studio
    model: campaign-studio
    workspaces: [{ id: spring }]
    members: [sally, mike, dora]
    bindings:
      - { principal: sally, role: organization-admin }
      - { principal: mike, role: workspace-manager, node: workspaces/spring }
      - { principal: dora, role: campaign-designer, node: workspaces/spring }
  - id: press
    model: media-marketplace
    kind: marketer
    accounts: [{ id: news }]
    members: [otto, mia]
    bindings:
      - { principal: otto, role: owner }
      - { principal: mia, role: member }
      - { principal: mia, role: account-admin, node: accounts/news }
";

async fn studio() -> Installation {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let world: World = serde_saphyr::from_str(STUDIO).unwrap();
    load(&installation.platform(), &world).await.unwrap();
    installation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_that_somebody_may_be_invited_to_are_those_that_a_call_invites_to() {
    let installation = studio().await;
    let (mut offered, mut refused) = (0, std::collections::BTreeSet::new());
    for (parent, nodes, actors) in [
        ("organizations/studio", ["organizations/studio", "organizations/studio/workspaces/spring"], ["sally", "mike"]),
        ("organizations/press", ["organizations/press", "organizations/press/accounts/news"], ["otto", "mia"]),
    ] {
        for (actor, node) in actors.into_iter().flat_map(|actor| nodes.map(|node| (actor, node))) {
            let session = installation.on_behalf_of(&format!("users/{actor}"));
            for invitee in ["sally", "mike", "dora", "otto", "mia", "stranger"] {
                let request = ListAssignableRolesRequest {
                    parent: parent.into(),
                    node: node.into(),
                    principal: format!("users/{invitee}"),
                    invite: true,
                    ..Default::default()
                };
                let Ok(listed) = session.role_bindings().list_assignable_roles(request).await else { continue };
                for one in listed.into_inner().roles.into_iter().filter(|one| !one.needs_components) {
                    let email = format!("{invitee}@example.com");
                    let invitation = Invitation { email, role: one.role.clone(), node: node.into(), ..Default::default() };
                    let request = CreateInvitationRequest {
                        parent: parent.into(),
                        invitation: Some(invitation),
                        validate_only: true,
                        ..Default::default()
                    };
                    let called = session.invitations().create_invitation(request).await;
                    let said = called.as_ref().err().map(reason).unwrap_or_default();
                    assert_eq!(one.reason, said, "{actor} invites {invitee} to {} at {node}: {called:?}", one.role);
                    if one.assignable {
                        offered += 1;
                    } else {
                        refused.insert(one.reason);
                    }
                }
            }
        }
    }
    assert!(offered >= 5, "{offered}");
    assert!(refused.contains("NOT_A_MEMBER") && refused.contains("NOT_ALLOWED"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_of_roles_knows_no_leaf_that_is_not_registered_and_no_user_that_is_not_there() {
    let installation = studio().await;
    let sally = installation.on_behalf_of("users/sally");
    for (node, principal) in [
        ("organizations/studio/workspaces/spring/campaigns/none", "users/dora"),
        ("organizations/studio/workspaces/spring", "users/nobody"),
        ("organizations/studio/workspaces/spring", "users/platform"),
    ] {
        let request = ListAssignableRolesRequest {
            parent: "organizations/studio".into(),
            node: node.into(),
            principal: principal.into(),
            ..Default::default()
        };
        let listed = sally.role_bindings().list_assignable_roles(request).await.unwrap().into_inner().roles;
        assert!(!listed.is_empty());
        for one in listed {
            let given = RoleBinding { principal: principal.into(), role: one.role, node: node.into(), ..Default::default() };
            let request =
                CreateRoleBindingRequest { parent: "organizations/studio".into(), role_binding: Some(given), ..Default::default() };
            let called = sally.role_bindings().create_role_binding(request).await;
            assert_eq!(one.reason, reason(&called.unwrap_err()), "{principal} at {node}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organizations_own_people_export_it() {
    let installation = studio().await;
    let export = async |who: &str| {
        let request = ExportRequest { parent: "organizations/studio".into() };
        let mut rows = installation.on_behalf_of(who).import().export(request).await?.into_inner();
        let mut count = 0;
        while rows.message().await?.is_some() {
            count += 1;
        }
        Ok::<_, Status>(count)
    };
    // The organization, its workspace, its members and their bindings.
    assert!(export("users/sally").await.unwrap() >= 7);
    assert_eq!(reason(&export("users/mike").await.unwrap_err()), "NOT_ALLOWED");
    assert_eq!(reason(&export("users/otto").await.unwrap_err()), "NOT_ALLOWED");
}
