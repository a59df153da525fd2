//! Import and export.

use api::{
    authz::v1::{MembershipTerms, RoleTerms},
    directory::v1::{
        Account, DeleteUserRequest, ExportRequest, Group, GroupMember, ImportOptions, ImportRequest, ImportResponse, ImportRow,
        ListMembersRequest, ListRoleBindingsRequest, Member, Organization, RoleBinding, User, Workspace, import_request::Message,
        import_response::Outcome, import_row::Resource, user::Kind,
    },
};
use futures::StreamExt;
use tonic::{Code, Status};

use crate::{
    authz::PLATFORM,
    installation::{Installation, by, reason},
};

const ACME: &str = "organizations/acme";
const OWNER: &str = "roleModels/ad-platform/roles/owner";
const DEFAULT: &str = "roleModels/ad-platform/roles/standard";
const BUYER: &str = "roleModels/ad-platform/roles/buyer";

fn rules(installation: &Installation, seats_most: u32, grant_joins: bool) {
    let exclusive_set = vec![OWNER.to_owned(), DEFAULT.to_owned()];
    let terms = |role: &str, seats_least, seats_most| RoleTerms {
        role: role.into(),
        held_at: "organization".into(),
        organizations: "any".into(),
        seats_least,
        seats_most,
        exclusive_set: exclusive_set.clone(),
    };
    let mut says = installation.authz.says();
    let owner = terms(OWNER, 1, seats_most);
    says.roles = [(OWNER.to_owned(), owner.clone()), (DEFAULT.to_owned(), terms(DEFAULT, 0, 0))].into();
    says.required = vec![owner];
    says.membership =
        MembershipTerms { organization_roles: exclusive_set, default_role: DEFAULT.into(), grant_joins, ..MembershipTerms::default() };
}

fn user(id: &str) -> Resource {
    Resource::User(User { name: format!("users/{id}"), email: format!("{id}@example.com"), ..User::default() })
}

fn organization(id: &str) -> Resource {
    let (name, role_model) = (format!("organizations/{id}"), "roleModels/ad-platform".to_owned());
    Resource::Organization(Organization { name, display_name: id.into(), role_model, ..Organization::default() })
}

fn binding(user: &str, role: &str, node: &str) -> Resource {
    let principal = format!("users/{user}");
    Resource::RoleBinding(RoleBinding { principal, role: role.into(), node: node.into(), ..RoleBinding::default() })
}

/// A world with something of every kind.
fn world() -> Vec<Resource> {
    let emea = format!("{ACME}/workspaces/emea");
    let customer = Organization {
        name: "organizations/customer".into(),
        display_name: "Customer".into(),
        parent: emea.clone(),
        ..Organization::default()
    };
    let account = Account { name: format!("{ACME}/accounts/a1"), display_name: "A1".into(), workspace: emea.clone(), ..Account::default() };
    let group = format!("{ACME}/groups/buyers");
    let held = RoleBinding {
        name: format!("{ACME}/roleBindings/by-group"),
        principal: group.clone(),
        role: BUYER.into(),
        node: account.name.clone(),
        ..RoleBinding::default()
    };
    vec![
        user("ann"),
        organization("acme"),
        user("bob"),
        Resource::Workspace(Workspace { name: emea.clone(), display_name: "EMEA".into(), ..Workspace::default() }),
        Resource::Account(account),
        Resource::Organization(customer),
        binding("ann", OWNER, ACME),
        binding("bob", BUYER, &emea),
        Resource::Group(Group { name: group.clone(), display_name: "Buyers".into(), ..Group::default() }),
        Resource::RoleBinding(held),
        Resource::GroupMember(GroupMember { group, member: "users/bob".into(), ..GroupMember::default() }),
        user("cid"),
        Resource::Member(Member { name: format!("{ACME}/members/cid"), ..Member::default() }),
        binding("cid", OWNER, "organizations/customer"),
    ]
}

async fn try_import(
    installation: &Installation,
    actor: &str,
    validate_only: bool,
    rows: Vec<Resource>,
) -> Result<Vec<ImportResponse>, Status> {
    let options = ImportRequest { message: Some(Message::Options(ImportOptions { validate_only })) };
    let rows = (1..)
        .zip(rows)
        .map(|(number, resource)| ImportRequest { message: Some(Message::Row(ImportRow { number, resource: Some(resource) })) });
    let requests = futures::stream::iter(std::iter::once(options).chain(rows).collect::<Vec<_>>());
    let answers = installation.import().import(by(actor, requests)).await?.into_inner();
    answers.collect::<Vec<_>>().await.into_iter().collect()
}

async fn import(installation: &Installation, rows: Vec<Resource>) -> Vec<ImportResponse> {
    let sent = rows.len() as u64;
    let answers = try_import(installation, PLATFORM, false, rows).await.unwrap();
    assert_eq!(answers.iter().map(|answer| answer.number).collect::<Vec<_>>(), (1..=sent).collect::<Vec<_>>());
    answers
}

fn outcomes(answers: &[ImportResponse]) -> Vec<Outcome> {
    answers.iter().map(ImportResponse::outcome).collect()
}

fn refused(answers: &[ImportResponse]) -> Vec<(u64, &str, &str)> {
    let refused = answers.iter().filter(|answer| answer.outcome() == Outcome::Refused);
    refused.map(|answer| (answer.number, answer.reason.as_str(), answer.field.as_str())).collect()
}

async fn export(installation: &Installation, parent: &str) -> Vec<Resource> {
    let request = ExportRequest { parent: parent.to_owned() };
    let rows = installation.import().export(by(PLATFORM, request)).await.unwrap().into_inner();
    rows.map(|row| row.unwrap().row.unwrap().resource.unwrap()).collect().await
}

pub(crate) async fn rows_are_there_once_however_often_they_are_imported(installation: &Installation) {
    rules(installation, 2, true);
    let first = import(installation, world()).await;
    assert_eq!(outcomes(&first), [Outcome::Done; 14], "{first:?}");
    let done = installation.revision().await;
    assert_eq!(outcomes(&import(installation, world()).await), [Outcome::Unchanged; 14]);
    assert_eq!(installation.revision().await, done, "nothing was written again");

    let members = ListMembersRequest { parent: ACME.into(), ..Default::default() };
    let members = installation.members().list_members(by(PLATFORM, members)).await.unwrap().into_inner().members;
    let held: Vec<_> = members.iter().map(|member| (member.user.as_str(), member.organization_role.as_str())).collect();
    assert_eq!(held, [("users/ann", OWNER), ("users/bob", DEFAULT), ("users/cid", DEFAULT)]);
    // Rows of one kind in one organization came in one commit, and the trail says by what.
    let sql = "SELECT count(DISTINCT rev) AS n FROM audit_entry WHERE method = 'directory.v1.ImportService/Import'";
    assert!(crate::installation::number(&installation.ledger, sql).await <= 7);
}

pub(crate) async fn what_differs_from_what_is_there_is_refused_with_the_field(installation: &Installation) {
    rules(installation, 2, true);
    import(installation, world()).await;
    let other = |resource| match resource {
        Resource::User(user) => Resource::User(User { display_name: "Other".into(), ..user }),
        Resource::Organization(organization) => {
            Resource::Organization(Organization { website: "https://x.example".into(), ..organization })
        }
        Resource::Workspace(workspace) => Resource::Workspace(Workspace { display_name: "Other".into(), ..workspace }),
        Resource::Account(account) => Resource::Account(Account { workspace: String::new(), ..account }),
        Resource::Group(group) => Resource::Group(Group { display_name: "Other".into(), ..group }),
        Resource::RoleBinding(binding) if !binding.name.is_empty() => {
            Resource::RoleBinding(RoleBinding { principal: "users/ann".into(), ..binding })
        }
        same => same,
    };
    let answers = import(installation, world().into_iter().map(other).collect()).await;
    let exists = "ALREADY_EXISTS";
    assert_eq!(
        refused(&answers),
        [
            (1, exists, "user.display_name"),
            (2, exists, "organization.website"),
            (3, exists, "user.display_name"),
            (4, exists, "workspace.display_name"),
            (5, exists, "account.workspace"),
            (6, exists, "organization.website"),
            (9, exists, "group.display_name"),
            (10, exists, "role_binding.principal"),
            (12, exists, "user.display_name"),
        ]
    );
    let end = DeleteUserRequest { name: "users/cid".into(), ..Default::default() };
    installation.authz.says().required.clear();
    installation.users().delete_user(by(PLATFORM, end)).await.unwrap();
    assert_eq!(refused(&import(installation, vec![user("cid")]).await), [(1, exists, "user.state")]);
}

pub(crate) async fn refused_rows_are_found_and_the_others_are_done(installation: &Installation) {
    rules(installation, 2, true);
    let mut rows = vec![organization("acme")];
    rows.extend((0..40).map(|number| user(&format!("u{number}"))));
    // Row 42: the address of another. Row 43: no address. Row 44: no name that can be.
    rows.push(Resource::User(User { name: "users/twin".into(), email: "U7@example.com".into(), ..User::default() }));
    rows.push(Resource::User(User { name: "users/none".into(), ..User::default() }));
    rows.push(Resource::Workspace(Workspace { name: "emea".into(), display_name: "EMEA".into(), ..Workspace::default() }));
    // Rows 45 to 84: two seats of forty that are wanted. Row 85: nobody. Rows 86, 87: one too many of an exclusive set.
    rows.extend((0..40).map(|number| binding(&format!("u{number}"), if number % 10 == 0 { OWNER } else { BUYER }, ACME)));
    rows.push(binding("ghost", BUYER, ACME));
    rows.push(binding("u1", OWNER, ACME));
    rows.push(binding("u2", BUYER, "organizations/missing"));
    let answers = import(installation, rows).await;
    assert_eq!(
        refused(&answers),
        [
            (42, "ALREADY_EXISTS", "user.email"),
            (43, "INVALID_FIELD", "user.email"),
            (44, "INVALID_FIELD", "workspace.name"),
            (65, "SEATS_TAKEN", ""),
            (75, "SEATS_TAKEN", ""),
            (85, "NOT_FOUND", ""),
            (86, "ROLE_EXCLUSIVE", ""),
            (87, "NOT_FOUND", ""),
        ]
    );
    let list = ListRoleBindingsRequest { parent: ACME.into(), page_size: 1000, ..Default::default() };
    let there = installation.role_bindings().list_role_bindings(by(PLATFORM, list)).await.unwrap().into_inner().role_bindings;
    let of = |role: &str| there.iter().filter(|binding| binding.role == role).count();
    assert_eq!((of(OWNER), of(BUYER), of(DEFAULT)), (2, 36, 36));
}

pub(crate) async fn a_row_needs_what_its_single_call_needs(installation: &Installation) {
    rules(installation, 2, true);
    import(installation, world()).await;
    let rows = || {
        vec![
            user("dora"),
            Resource::Workspace(Workspace { name: format!("{ACME}/workspaces/apac"), display_name: "APAC".into(), ..Workspace::default() }),
            Resource::Workspace(Workspace { name: format!("{ACME}/workspaces/emea"), display_name: "EMEA".into(), ..Workspace::default() }),
            Resource::Member(Member { name: format!("{ACME}/members/ann"), ..Member::default() }),
        ]
    };
    installation.authz.says().denied.insert("workspaces.create".into());
    let answers = try_import(installation, "users/ann", false, rows()).await.unwrap();
    // Whoever may not create it does not learn that it is there.
    assert_eq!(refused(&answers), [(1, "NOT_ALLOWED", ""), (2, "NOT_ALLOWED", ""), (3, "NOT_ALLOWED", "")]);
    assert_eq!(answers[3].outcome(), Outcome::Unchanged);

    let without_options = ImportRequest { message: Some(Message::Row(ImportRow::default())) };
    let refused = installation.import().import(by(PLATFORM, futures::stream::iter([without_options]))).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    installation.authz.says().denied.insert("access.get".into());
    let export = ExportRequest { parent: ACME.into() };
    assert_eq!(reason(&installation.import().export(by("users/ann", export)).await.unwrap_err()), "NOT_ALLOWED");
    assert_eq!(reason(&installation.import().export(by("users/ann", ExportRequest::default())).await.unwrap_err()), "NOT_ALLOWED");
}

pub(crate) async fn a_dry_run_judges_and_writes_nothing(installation: &Installation) {
    rules(installation, 2, true);
    import(installation, vec![user("ann"), organization("acme")]).await;
    let before = installation.revision().await;
    let rows = vec![
        user("ann"),
        user("bob"),
        binding("ann", OWNER, ACME),
        binding("bob", OWNER, ACME),
        binding("ghost", OWNER, ACME),
        Resource::Workspace(Workspace { name: format!("{ACME}/workspaces/w"), display_name: "W".into(), ..Workspace::default() }),
        binding("ann", BUYER, &format!("{ACME}/workspaces/w")),
    ];
    let answers = try_import(installation, PLATFORM, true, rows).await.unwrap();
    use Outcome::{Depends, Done, Refused, Unchanged};
    assert_eq!(outcomes(&answers), [Unchanged, Done, Done, Depends, Refused, Done, Depends], "{answers:?}");
    assert_eq!(installation.revision().await, before);
}

pub(crate) async fn where_granting_takes_nobody_in_a_binding_brings_its_member(installation: &Installation) {
    rules(installation, 9, false);
    import(installation, vec![user("ann"), user("bob"), user("cid"), organization("acme")]).await;
    let rows = || vec![binding("ann", OWNER, ACME), binding("bob", BUYER, ACME), binding("cid", DEFAULT, ACME)];
    installation.authz.says().denied.insert("members.create".into());
    let answers = try_import(installation, PLATFORM, false, rows()).await.unwrap();
    assert_eq!(refused(&answers), [(1, "NOT_A_MEMBER", ""), (2, "NOT_A_MEMBER", ""), (3, "NOT_A_MEMBER", "")]);
    installation.authz.says().denied.clear();
    assert_eq!(outcomes(&import(installation, rows()).await), [Outcome::Done; 3]);
    assert_eq!(outcomes(&import(installation, rows()).await), [Outcome::Unchanged; 3]);
    let members = ListMembersRequest { parent: ACME.into(), ..Default::default() };
    let members = installation.members().list_members(by(PLATFORM, members)).await.unwrap().into_inner().members;
    let held: Vec<_> = members.iter().map(|member| member.organization_role.as_str()).collect();
    assert_eq!(held, [OWNER, DEFAULT, DEFAULT]);
}

pub(crate) async fn an_export_imports_into_an_empty_installation(installation: &Installation) {
    rules(installation, 9, true);
    let mut rows = world();
    rows.push(Resource::User(User { name: "users/robot".into(), kind: Kind::ServiceAccount.into(), ..User::default() }));
    rows.extend((0..600).map(|number| user(&format!("many{number}"))));
    rows.extend((0..600).map(|number| binding(&format!("many{number}"), BUYER, ACME)));
    let answers = import(installation, rows).await;
    assert_eq!(refused(&answers), []);
    let exported = export(installation, "").await;
    let other = if installation.is_postgres() { Installation::postgres().await } else { Installation::sqlite().await };
    rules(&other, 9, true);
    let answers = import(&other, exported.clone()).await;
    assert_eq!(refused(&answers), []);
    let again = export(&other, "").await;
    assert_eq!(exported.len(), again.len());
    assert_eq!(exported, again);
    // One organization: itself and all who are in it, but no addresses.
    let acme = export(&other, ACME).await;
    assert!(acme.iter().all(|row| !matches!(row, Resource::User(_))));
    assert!(matches!(&acme[0], Resource::Organization(row) if row.name == ACME) && acme.len() > 1_200, "{}", acme.len());
    if installation.is_postgres() {
        other.remove().await;
    }
}
