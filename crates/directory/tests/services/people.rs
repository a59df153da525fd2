//! People: users that an organization manages, identities, organizations that need an owner, members with their roles.

use api::{
    directory::v1::{
        CreateMemberRequest, CreateOrganizationRequest, CreatePartnershipRequest, CreateUserRequest, DeleteUserRequest, GetMemberRequest,
        GetOrganizationRequest, GetUserRequest, Identity, InitialHolder, Issuer, LinkIdentityRequest, ListIdentitiesRequest,
        ListIssuersRequest, ListMembersRequest, LookupUserRequest, Member, MemberRole, MemberView, Organization, Partnership,
        ReactivateUserRequest, RegisterIssuerRequest, SuspendUserRequest, UnlinkIdentityRequest, UnregisterIssuerRequest,
        UpdateMemberRequest, UpdateUserRequest, User, lookup_user_request::By, member,
    },
    feed::v1::record::State,
};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::{
    access::{ANN, PLATFORM, binding_of, give, group, held_by, owned, put_into, refused, revoke, role, rules},
    installation::{Installation, by, reason},
};

fn managed(home: &str, email: &str) -> CreateUserRequest {
    let user = User { email: email.to_owned(), managed_by: home.to_owned(), ..User::default() };
    CreateUserRequest { user: Some(user), ..Default::default() }
}

async fn create_managed(installation: &Installation, home: &str, email: &str) -> User {
    installation.users().create_user(by(ANN, managed(home, email))).await.unwrap().into_inner()
}

pub(crate) async fn a_managed_user_is_taken_in_and_tells_nothing_of_others(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let max = create_managed(installation, &acme, "bob@example.com").await;
    assert_eq!((max.managed_by.as_str(), max.email.as_str(), max.email_verified), (acme.as_str(), "bob@example.com", false));
    let Some(State::User(state)) = installation.record(&max.name).await.unwrap().state else { panic!("no user") };
    assert_eq!(state.managed_by, acme);
    assert_eq!(held_by(installation, &acme, &max.name).await, [role("standard")]);
    let member = GetMemberRequest { name: max.name.replace("users/", &format!("{acme}/members/")), ..Default::default() };
    assert!(installation.members().get_member(by(ANN, member)).await.is_ok());
    // The address stays whose it was, and two managed users may have it.
    create_managed(installation, &acme, "bob@example.com").await;
    let lookup = LookupUserRequest { by: Some(By::Email("BOB@example.com".to_owned())) };
    let found = installation.identities().lookup_user(by(PLATFORM, lookup.clone())).await.unwrap().into_inner();
    assert_eq!((found.name.as_str(), found.email_verified), ("users/bob", true));
    assert_eq!(refused(installation.identities().lookup_user(by(ANN, lookup)).await), "NOT_ALLOWED");

    let program = User { kind: api::directory::v1::user::Kind::ServiceAccount.into(), managed_by: acme.clone(), ..User::default() };
    let program = CreateUserRequest { user: Some(program), ..Default::default() };
    let program = installation.users().create_user(by(ANN, program)).await.unwrap().into_inner();
    give(installation, &program.name, "buyer", &acme).await.unwrap();

    // Which ids there are, others would learn by choosing one.
    let chosen = CreateUserRequest { user_id: "bob".to_owned(), ..managed(&acme, "x@example.com") };
    assert_eq!(refused(installation.users().create_user(by(ANN, chosen)).await), "INVALID_FIELD");
    let by_platform = CreateUserRequest { user_id: "kim".to_owned(), ..managed(&acme, "x@example.com") };
    assert_eq!(installation.users().create_user(by(PLATFORM, by_platform)).await.unwrap().into_inner().name, "users/kim");
    let before = installation.revision().await;
    let tried = CreateUserRequest { validate_only: true, ..managed(&acme, "y@example.com") };
    installation.users().create_user(by(ANN, tried)).await.unwrap();
    assert_eq!(installation.revision().await, before);
    assert_eq!(refused(installation.users().create_user(by(ANN, managed("organizations/none", "y@example.com"))).await), "NOT_FOUND");
    installation.authz.says().denied.insert(format!("members.create {acme}"));
    assert_eq!(refused(installation.users().create_user(by(ANN, managed(&acme, "y@example.com"))).await), "NOT_ALLOWED");
}

pub(crate) async fn a_managed_user_can_be_used_nowhere_else(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let (acme, other) = (owned(installation, "acme").await.name, owned(installation, "other").await.name);
    let workspace = installation.workspace(&acme, "emea").await.name;
    let shop = installation.customer("shop", &workspace).await.name;
    let max = create_managed(installation, &acme, "max@example.com").await.name;
    let kim = create_managed(installation, &shop, "kim@example.com").await.name;

    give(installation, &max, "buyer", &shop).await.unwrap();
    for (user, node) in [(&max, &other), (&kim, &other), (&kim, &acme), (&kim, &workspace)] {
        let status = give(installation, user, "buyer", node).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "USER_CONFINED"), "{user} {node}");
        // It tells of no other organization than the one that was named.
        assert!(!status.message().contains(&acme) || node.starts_with(&acme), "{}", status.message());
    }
    let join = CreateMemberRequest { parent: other.clone(), user: max.clone(), ..Default::default() };
    assert_eq!(refused(installation.members().create_member(by(ANN, join)).await), "USER_CONFINED");
    let partnership = Partnership {
        partner: acme.clone(),
        node: other.clone(),
        roles: vec![role("buyer")],
        users: Some(api::feed::v1::UserSet { users: vec![max.clone()] }),
        ..Partnership::default()
    };
    let offer = CreatePartnershipRequest { parent: other.clone(), partnership: Some(partnership), ..Default::default() };
    assert_eq!(refused(installation.partnerships().create_partnership(by(ANN, offer)).await), "USER_CONFINED");
    let organization = Organization { display_name: "new".into(), role_model: "roleModels/ad-platform".into(), ..Organization::default() };
    let holders = vec![InitialHolder { user: max.clone(), role: role("owner") }];
    let root = CreateOrganizationRequest { organization: Some(organization), holders, ..Default::default() };
    assert_eq!(refused(installation.organizations().create_organization(by(PLATFORM, root)).await), "USER_CONFINED");
    let outside = group(installation, &other, "outside").await;
    assert_eq!(refused(put_into(installation, &outside, &max).await), "NOT_A_MEMBER");
    assert!(held_by(installation, &other, &max).await.is_empty());
}

async fn delete(installation: &Installation, actor: &str, user: &str) -> Result<User, Status> {
    let request = DeleteUserRequest { name: user.to_owned(), ..Default::default() };
    Ok(installation.users().delete_user(by(actor, request)).await?.into_inner())
}

pub(crate) async fn whoever_manages_a_user_changes_and_deletes_them_and_the_platform_alone_suspends(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let workspace = installation.workspace(&acme, "emea").await.name;
    let shop = installation.customer("shop", &workspace).await.name;
    let max = create_managed(installation, &acme, "max@example.com").await.name;
    let update = |name: &str| UpdateUserRequest {
        user: Some(User { name: name.to_owned(), email: "bob@example.com".into(), display_name: "Max".into(), ..User::default() }),
        update_mask: Some(FieldMask { paths: vec!["email".into(), "display_name".into()] }),
        ..Default::default()
    };
    let updated = installation.users().update_user(by(ANN, update(&max))).await.unwrap().into_inner();
    assert_eq!((updated.email.as_str(), updated.email_verified), ("bob@example.com", false));
    assert_eq!(refused(installation.users().update_user(by(ANN, update("users/bob"))).await), "NOT_ALLOWED");
    let get = |name: &str| GetUserRequest { name: name.to_owned() };
    assert_eq!(installation.users().get_user(by(ANN, get(&max))).await.unwrap().into_inner().display_name, "Max");
    assert_eq!(refused(installation.users().get_user(by(ANN, get("users/bob"))).await), "NOT_ALLOWED");
    assert_eq!(refused(delete(installation, ANN, "users/bob").await), "NOT_ALLOWED");
    let suspend = SuspendUserRequest { name: max.clone(), ..Default::default() };
    assert_eq!(refused(installation.users().suspend_user(by(ANN, suspend)).await), "NOT_ALLOWED");

    for action in ["members.get", "members.update", "members.delete"] {
        installation.authz.says().denied.insert(format!("{action} {acme}"));
    }
    assert_eq!(refused(installation.users().get_user(by(ANN, get(&max))).await), "NOT_ALLOWED");
    assert_eq!(refused(installation.users().update_user(by(ANN, update(&max))).await), "NOT_ALLOWED");
    assert_eq!(refused(delete(installation, ANN, &max).await), "NOT_ALLOWED");
    installation.authz.says().denied.clear();

    give(installation, &max, "buyer", &shop).await.unwrap();
    installation.authz.says().denied.insert(format!("members.delete {shop}"));
    assert_eq!(refused(delete(installation, ANN, &max).await), "NOT_ALLOWED");
    installation.authz.says().denied.clear();
    installation.authz.says().membership.permanent = true;
    assert_eq!(refused(delete(installation, ANN, &max).await), "MEMBERS_STAY");
    installation.authz.says().membership.permanent = false;
    let owner = give(installation, &max, "owner", &shop).await;
    assert_eq!(refused(owner), "ROLE_EXCLUSIVE");
    let standard = held_binding(installation, &shop, &max, "standard").await;
    crate::access::change_role(installation, &standard, "owner").await.unwrap();
    assert_eq!(refused(delete(installation, ANN, &max).await), "REQUIRED_ROLE");
    assert!(!held_by(installation, &acme, &max).await.is_empty());
    installation.user("eva").await;
    give(installation, "users/eva", "owner", &shop).await.unwrap();
    delete(installation, ANN, &max).await.unwrap();
    assert!(held_by(installation, &acme, &max).await.is_empty() && held_by(installation, &shop, &max).await.is_empty());
    assert!(installation.record(&max).await.is_none());
}

async fn held_binding(installation: &Installation, organization: &str, user: &str, role_id: &str) -> String {
    let all = crate::access::bindings(installation, organization).await;
    all.into_iter().find(|one| one.principal == user && one.role == role(role_id)).unwrap().name
}

fn identity(issuer: &str, subject: &str) -> Option<Identity> {
    Some(Identity { issuer: issuer.to_owned(), subject: subject.to_owned(), ..Identity::default() })
}

async fn link(installation: &Installation, actor: &str, user: &str, issuer: &str, subject: &str) -> Result<Identity, Status> {
    let request = LinkIdentityRequest { user: user.to_owned(), identity: identity(issuer, subject), ..Default::default() };
    Ok(installation.identities().link_identity(by(actor, request)).await?.into_inner())
}

const LOGIN: &str = "https://login.example";

pub(crate) async fn an_identity_is_one_users_and_ends_with_them(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let linked = link(installation, PLATFORM, "users/bob", LOGIN, "b-1").await.unwrap();
    assert_eq!((linked.user.as_str(), linked.revision.is_empty()), ("users/bob", false));
    assert_eq!(refused(link(installation, PLATFORM, ANN, LOGIN, "b-1").await), "ALREADY_EXISTS");
    assert_eq!(refused(link(installation, PLATFORM, "users/nobody", LOGIN, "b-2").await), "NOT_FOUND");
    assert_eq!(refused(link(installation, "users/bob", "users/bob", LOGIN, "b-2").await), "NOT_ALLOWED");
    assert_eq!(refused(link(installation, PLATFORM, ANN, "login", " ").await), "INVALID_FIELD");
    let both = tokio::join!(link(installation, PLATFORM, ANN, LOGIN, "x"), link(installation, PLATFORM, "users/bob", LOGIN, "x"));
    let refusals: Vec<_> = [both.0, both.1].into_iter().filter_map(Result::err).map(|status| reason(&status)).collect();
    assert_eq!(refusals, ["ALREADY_EXISTS"]);

    let lookup = |issuer: &str| LookupUserRequest {
        by: Some(By::Identity(Identity { issuer: issuer.to_owned(), subject: "b-1".to_owned(), ..Identity::default() })),
    };
    assert_eq!(installation.identities().lookup_user(by(PLATFORM, lookup(LOGIN))).await.unwrap().into_inner().name, "users/bob");
    assert_eq!(refused(installation.identities().lookup_user(by(PLATFORM, lookup("https://other.example"))).await), "NOT_FOUND");
    let list = || ListIdentitiesRequest { user: "users/bob".to_owned() };
    let listed = installation.identities().list_identities(by("users/bob", list())).await.unwrap().into_inner().identities;
    assert!(listed.iter().any(|identity| identity.subject == "b-1"));
    assert_eq!(refused(installation.identities().list_identities(by(ANN, list())).await), "NOT_ALLOWED");

    let unlink = |user: &str| UnlinkIdentityRequest { user: user.to_owned(), identity: identity(LOGIN, "b-1"), ..Default::default() };
    assert_eq!(refused(installation.identities().unlink_identity(by(ANN, unlink(ANN))).await), "NOT_FOUND");
    installation.identities().unlink_identity(by("users/bob", unlink("users/bob"))).await.unwrap();
    link(installation, PLATFORM, "users/bob", LOGIN, "b-1").await.unwrap();
    delete(installation, PLATFORM, "users/bob").await.unwrap();
    assert_eq!(refused(installation.identities().lookup_user(by(PLATFORM, lookup(LOGIN))).await), "NOT_FOUND");
    link(installation, PLATFORM, ANN, LOGIN, "b-1").await.unwrap();
    for number in 0..25 {
        let outcome = link(installation, PLATFORM, ANN, LOGIN, &format!("n-{number}")).await;
        if let Err(status) = outcome {
            assert_eq!((number >= 18, reason(&status).as_str()), (true, "LIMIT_REACHED"));
        }
    }
    let list = ListIdentitiesRequest { user: ANN.to_owned() };
    assert_eq!(installation.identities().list_identities(by(ANN, list)).await.unwrap().into_inner().identities.len(), 20);
}

pub(crate) async fn an_organization_links_identities_of_its_trees_issuers_to_its_own_users(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let (acme, other) = (owned(installation, "acme").await.name, owned(installation, "other").await.name);
    let workspace = installation.workspace(&acme, "emea").await.name;
    let shop = installation.customer("shop", &workspace).await.name;
    let register = |uri: &str, organization: &str| RegisterIssuerRequest {
        issuer: Some(Issuer { uri: uri.to_owned(), organization: organization.to_owned(), ..Issuer::default() }),
        ..Default::default()
    };
    assert_eq!(refused(installation.identities().register_issuer(by(ANN, register(LOGIN, &acme))).await), "NOT_ALLOWED");
    assert_eq!(refused(installation.identities().register_issuer(by(PLATFORM, register(LOGIN, &shop))).await), "INVALID_FIELD");
    installation.identities().register_issuer(by(PLATFORM, register(LOGIN, &acme))).await.unwrap();
    assert_eq!(refused(installation.identities().register_issuer(by(PLATFORM, register(LOGIN, &other))).await), "ALREADY_EXISTS");
    let list = ListIssuersRequest { parent: acme.clone(), ..Default::default() };
    assert_eq!(installation.identities().list_issuers(by(ANN, list)).await.unwrap().into_inner().issuers.len(), 1);

    // A user of a customer: the issuer is the whole tree's.
    let kim = create_managed(installation, &shop, "kim@example.com").await.name;
    link(installation, ANN, &kim, LOGIN, "k-1").await.unwrap();
    assert_eq!(refused(link(installation, ANN, &kim, "https://strange.example", "k-2").await), "ISSUER_UNKNOWN");
    let theirs = create_managed(installation, &other, "lee@example.com").await.name;
    // Whether it is linked is not told to those of another tree.
    assert_eq!(refused(link(installation, ANN, &theirs, LOGIN, "k-1").await), "ISSUER_UNKNOWN");
    assert_eq!(refused(link(installation, ANN, "users/bob", LOGIN, "k-3").await), "NOT_ALLOWED");
    link(installation, PLATFORM, "users/bob", LOGIN, "k-3").await.unwrap();
    installation.authz.says().denied.insert(format!("members.link_identity {shop}"));
    assert_eq!(refused(link(installation, ANN, &kim, LOGIN, "k-4").await), "NOT_ALLOWED");
    installation.authz.says().denied.clear();
    let unregister = || UnregisterIssuerRequest { uri: LOGIN.to_owned(), ..Default::default() };
    assert_eq!(refused(installation.identities().unregister_issuer(by(ANN, unregister())).await), "NOT_ALLOWED");
    installation.identities().unregister_issuer(by(PLATFORM, unregister())).await.unwrap();
    assert_eq!(refused(installation.identities().unregister_issuer(by(PLATFORM, unregister())).await), "NOT_FOUND");
    assert_eq!(refused(link(installation, ANN, &kim, LOGIN, "k-4").await), "ISSUER_UNKNOWN");
    let unlink = UnlinkIdentityRequest { user: kim, identity: identity(LOGIN, "k-1"), ..Default::default() };
    installation.identities().unlink_identity(by(ANN, unlink)).await.unwrap();
}

async fn needs_owner(installation: &Installation, name: &str) -> bool {
    let get = GetOrganizationRequest { name: name.to_owned() };
    installation.organizations().get_organization(by(ANN, get)).await.unwrap().into_inner().needs_owner
}

pub(crate) async fn an_organization_needs_an_owner_until_it_has_one_again(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    rules(installation);
    let acme = owned(installation, "acme").await.name;
    let suspend = || by(PLATFORM, SuspendUserRequest { name: ANN.to_owned(), ..Default::default() });
    let reactivate = || by(PLATFORM, ReactivateUserRequest { name: ANN.to_owned(), ..Default::default() });
    assert!(!needs_owner(installation, &acme).await);
    installation.users().suspend_user(suspend()).await.unwrap();
    assert!(needs_owner(installation, &acme).await);
    // What else is written to the organization leaves the mark.
    let update = api::directory::v1::UpdateOrganizationRequest {
        organization: Some(Organization { name: acme.clone(), display_name: "Acme!".to_owned(), ..Organization::default() }),
        ..Default::default()
    };
    installation.organizations().update_organization(by(ANN, update)).await.unwrap();
    assert!(needs_owner(installation, &acme).await);
    installation.users().reactivate_user(reactivate()).await.unwrap();
    assert!(!needs_owner(installation, &acme).await);

    installation.users().suspend_user(suspend()).await.unwrap();
    give(installation, "users/bob", "owner", &acme).await.unwrap();
    assert!(!needs_owner(installation, &acme).await);
    let anns = binding_of(installation, &acme, ANN).await;
    revoke(installation, &anns.name).await.unwrap();
    installation.users().reactivate_user(reactivate()).await.unwrap();
    assert!(!needs_owner(installation, &acme).await);
}

fn of(role_id: &str, node: &str) -> MemberRole {
    MemberRole { role: role(role_id), node: node.to_owned(), ..MemberRole::default() }
}

async fn edit(installation: &Installation, member: &str, roles: Vec<MemberRole>) -> Result<Member, Status> {
    let request = UpdateMemberRequest {
        member: Some(Member { name: member.to_owned(), roles, ..Member::default() }),
        update_mask: Some(FieldMask { paths: vec!["roles".to_owned()] }),
        ..Default::default()
    };
    Ok(installation.members().update_member(by(ANN, request)).await?.into_inner())
}

fn held(member: &Member) -> Vec<(String, String)> {
    let mut held: Vec<_> = member.roles.iter().map(|held| (held.role.rsplit('/').next().unwrap().to_owned(), held.node.clone())).collect();
    held.sort();
    held
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(role, node)| ((*role).to_owned(), (*node).to_owned())).collect()
}

pub(crate) async fn a_member_comes_with_their_roles_in_one_commit(installation: &Installation) {
    for user in ["ann", "bob", "cy"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let workspace = installation.workspace(&acme, "emea").await.name;
    let create = |user: &str, roles: Vec<MemberRole>| CreateMemberRequest {
        parent: acme.clone(),
        user: user.to_owned(),
        roles,
        ..Default::default()
    };
    let before = installation.revision().await;
    let roles = vec![of("owner", ""), of("viewer", &workspace)];
    let bob = installation.members().create_member(by(ANN, create("users/bob", roles))).await.unwrap().into_inner();
    assert_eq!(installation.revision().await, before + 1);
    assert_eq!(bob.organization_role, role("owner"));
    assert_eq!(held(&bob), pairs(&[("owner", &acme), ("viewer", &workspace)]));
    assert!(bob.roles.iter().all(|held| held.binding.starts_with(&format!("{acme}/roleBindings/"))));

    // Without an organization role among them, the default one comes too; nothing is left of what fails.
    let missing = vec![of("viewer", &workspace), of("viewer", &format!("{acme}/workspaces/none"))];
    let status = installation.members().create_member(by(ANN, create("users/cy", missing))).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(tonic_types::StatusExt::get_error_details(&status).error_info().unwrap().metadata["at"], "roles[1]");
    assert!(installation.record(&format!("{acme}/members/cy")).await.is_none());
    let twice = vec![of("viewer", ""), of("viewer", &acme)];
    assert_eq!(refused(installation.members().create_member(by(ANN, create("users/cy", twice))).await), "INVALID_FIELD");
    let both = vec![of("owner", ""), of("standard", "")];
    assert_eq!(refused(installation.members().create_member(by(ANN, create("users/cy", both))).await), "ROLE_EXCLUSIVE");
    let cy = installation.members().create_member(by(ANN, create("users/cy", vec![of("viewer", &workspace)]))).await.unwrap().into_inner();
    assert_eq!(held(&cy), pairs(&[("standard", &acme), ("viewer", &workspace)]));
}

pub(crate) async fn an_edit_of_a_member_is_one_commit_and_what_is_so_for_a_moment_does_not_count(installation: &Installation) {
    for user in ["ann", "bob", "cy"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    let workspace = installation.workspace(&acme, "emea").await.name;
    let (anns, bobs) = (format!("{acme}/members/ann"), format!("{acme}/members/bob"));
    give(installation, "users/bob", "buyer", &acme).await.unwrap();
    let standard = held_binding(installation, &acme, "users/bob", "standard").await;

    let before = installation.revision().await;
    let edited = edit(installation, &bobs, vec![of("owner", ""), of("viewer", &workspace)]).await.unwrap();
    assert_eq!(installation.revision().await, before + 1);
    assert_eq!(held(&edited), pairs(&[("owner", &acme), ("viewer", &workspace)]));
    assert!(edited.roles.iter().any(|held| held.binding == standard || held.role == role("owner")));
    // The same again changes nothing that it holds.
    let again = edit(installation, &bobs, vec![of("viewer", &workspace), of("owner", "")]).await.unwrap();
    assert_eq!(again.roles, edited.roles);

    edit(installation, &bobs, vec![of("standard", "")]).await.unwrap();
    assert_eq!(refused(edit(installation, &anns, vec![of("standard", "")]).await), "REQUIRED_ROLE");
    assert_eq!(refused(edit(installation, &anns, Vec::new()).await), "REQUIRED_ROLE");
    // An owner whose binding only changes its place in the list remains one; one who would end does not.
    edit(installation, &anns, vec![of("buyer", ""), of("owner", "")]).await.unwrap();
    let ending = MemberRole { expire_time: Some(crate::access::at(3600)), ..of("owner", "") };
    assert_eq!(refused(edit(installation, &anns, vec![ending]).await), "REQUIRED_ROLE");

    // All seats of buyers are taken; who has one keeps it in an edit, and another gets none.
    for number in 0..4 {
        installation.user(&format!("u{number}")).await;
        give(installation, &format!("users/u{number}"), "buyer", &acme).await.unwrap();
    }
    edit(installation, &anns, vec![of("owner", ""), of("buyer", ""), of("viewer", &workspace)]).await.unwrap();
    let status = edit(installation, &bobs, vec![of("standard", ""), of("buyer", "")]).await.unwrap_err();
    assert_eq!(reason(&status), "SEATS_TAKEN");

    // State and roles in one call.
    let request = |state: member::State, roles: Vec<MemberRole>| UpdateMemberRequest {
        member: Some(Member { name: bobs.clone(), state: state.into(), roles, ..Member::default() }),
        ..Default::default()
    };
    let suspended = request(member::State::Suspended, vec![of("standard", ""), of("viewer", &workspace)]);
    let suspended = installation.members().update_member(by(ANN, suspended)).await.unwrap().into_inner();
    assert_eq!((suspended.state(), suspended.roles.len()), (member::State::Suspended, 2));
    let more = vec![of("standard", ""), of("viewer", &workspace), of("manager", "")];
    assert_eq!(refused(edit(installation, &bobs, more).await), "NOT_A_MEMBER");
    let back = request(member::State::Active, vec![of("standard", ""), of("manager", &workspace)]);
    let back = installation.members().update_member(by(ANN, back)).await.unwrap().into_inner();
    assert_eq!(held(&back), pairs(&[("manager", &workspace), ("standard", &acme)]));
    let stale = UpdateMemberRequest {
        member: Some(Member { name: bobs.clone(), etag: "1".into(), state: member::State::Suspended.into(), ..Member::default() }),
        ..Default::default()
    };
    assert_eq!(refused(installation.members().update_member(by(ANN, stale)).await), "ETAG_MISMATCH");

    let missing = |allow_missing| UpdateMemberRequest {
        member: Some(Member { name: format!("{acme}/members/cy"), roles: vec![of("viewer", &workspace)], ..Member::default() }),
        allow_missing,
        ..Default::default()
    };
    assert_eq!(refused(installation.members().update_member(by(ANN, missing(false))).await), "NOT_FOUND");
    let cy = installation.members().update_member(by(ANN, missing(true))).await.unwrap().into_inner();
    assert_eq!(held(&cy), pairs(&[("standard", &acme), ("viewer", &workspace)]));
}

pub(crate) async fn what_a_member_holds_is_shown_to_whoever_may_see_access(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    give(installation, "users/bob", "buyer", &acme).await.unwrap();
    let name = format!("{acme}/members/bob");
    let get = |view: MemberView| GetMemberRequest { name: name.clone(), view: view.into() };
    let list = |view: MemberView| ListMembersRequest { parent: acme.clone(), view: view.into(), ..Default::default() };
    let listed = installation.members().list_members(by(ANN, list(MemberView::Full))).await.unwrap().into_inner().members;
    assert_eq!(listed.iter().map(|member| member.roles.len()).collect::<Vec<_>>(), [1, 2]);
    assert!(installation.members().get_member(by(ANN, get(MemberView::Basic))).await.unwrap().into_inner().roles.is_empty());
    installation.authz.says().denied.insert("access.get".to_owned());
    assert_eq!(refused(installation.members().get_member(by(ANN, get(MemberView::Full))).await), "NOT_ALLOWED");
    assert_eq!(refused(installation.members().list_members(by(ANN, list(MemberView::Full))).await), "NOT_ALLOWED");
    assert_eq!(refused(edit(installation, &name, Vec::new()).await), "NOT_ALLOWED");
    assert_eq!(installation.members().get_member(by("users/bob", get(MemberView::Full))).await.unwrap().into_inner().roles.len(), 2);
    assert!(installation.members().list_members(by(ANN, list(MemberView::Unspecified))).await.is_ok());
}

pub(crate) async fn members_that_stay_stay_when_their_roles_are_replaced(installation: &Installation) {
    for user in ["ann", "bob"] {
        installation.user(user).await;
    }
    let acme = owned(installation, "acme").await.name;
    give(installation, "users/bob", "buyer", &acme).await.unwrap();
    installation.authz.says().membership.permanent = true;
    let bobs = format!("{acme}/members/bob");
    assert_eq!(refused(edit(installation, &bobs, vec![of("buyer", "")]).await), "MEMBERS_STAY");
    assert_eq!(refused(edit(installation, &bobs, Vec::new()).await), "MEMBERS_STAY");
    let ending = MemberRole { expire_time: Some(crate::access::at(3600)), ..of("standard", "") };
    assert_eq!(refused(edit(installation, &bobs, vec![ending]).await), "MEMBERS_STAY");
    edit(installation, &bobs, vec![of("owner", "")]).await.unwrap();
}
