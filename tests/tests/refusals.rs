//! Bad input gets a status, details and a message that help, and nothing is written.

use api::{
    authz::v1::{CheckRequest, Query},
    directory::v1::*,
    feed::v1::{GetHeadRequest, feed_service_client::FeedServiceClient},
    rolecatalog::v1::{
        CreateRoleRequest, GetRoleModelRequest, PushRoleModelRequest, Role, push_role_model_request::Source, role_model_document::Grant,
    },
};
use client::{session::channel, world::load};
use decision::world::World;
use tests::{
    installation::{Installation, Layout, Store},
    services::reason,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

const ACME: &str = "organizations/acme";

const WORLD: &str = "
users: [ann, bob, cem, dee, eli, fay, gus]
organizations:
  - id: acme
    model: ad-platform
    accounts: [{id: a1}]
    members: [ann, bob, cem, dee, eli, fay, gus]
    groups: [{id: outer, members: [groups/inner]}, {id: inner, members: [gus]}]
    bindings:
      - {principal: ann, role: super-admin}
      - {principal: bob, role: org-admin}
  - id: market
    model: media-marketplace
    members: [ann]
    bindings: [{principal: ann, role: owner}]
";

struct Tried<'a> {
    installation: &'a Installation,
}

impl Tried<'_> {
    async fn head(&self) -> u64 {
        let mut feed = FeedServiceClient::new(channel(self.installation.address()).unwrap());
        feed.get_head(GetHeadRequest {}).await.unwrap().into_inner().head.unwrap().revision
    }

    /// The call is refused with this code and reason, in the form that every refusal has, and leaves no trace.
    async fn refused<T: std::fmt::Debug>(&self, code: Code, expected: &str, call: impl Future<Output = Result<T, Status>>) -> Status {
        let before = self.head().await;
        let status = call.await.expect_err(expected);
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{}", status.message());
        let info = status.get_details_error_info().expect("an ErrorInfo");
        assert_eq!(info.domain, "tenantry");
        let message = status.message();
        assert!(!message.is_empty() && message.starts_with(|first: char| !first.is_uppercase()), "{message}");
        for leak in ["sqlx", "sqlite", "postgres", "SELECT", "/src/", "panicked"] {
            assert!(!message.contains(leak), "{message}");
        }
        assert_eq!(self.head().await, before, "something was written: {message}");
        status
    }
}

fn binding(principal: &str, role: &str, node: &str) -> CreateRoleBindingRequest {
    let role_binding = RoleBinding { principal: principal.into(), role: role.into(), node: node.into(), ..Default::default() };
    CreateRoleBindingRequest { parent: ACME.into(), role_binding: Some(role_binding), ..Default::default() }
}

fn system(role: &str) -> String {
    format!("roleModels/ad-platform/roles/{role}")
}

fn fields(status: &Status) -> Vec<String> {
    status.get_details_bad_request().map(|bad| bad.field_violations.into_iter().map(|field| field.field).collect()).unwrap_or_default()
}

async fn bad_input(installation: Installation) {
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&installation.platform(), &world).await.unwrap();
    let tried = Tried { installation: &installation };
    let [ann, bob, gus] = ["users/ann", "users/bob", "users/gus"].map(|user| installation.on_behalf_of(user));
    let checks = || installation.session().checks();
    let ask = |permission: &str, resource: &str| CheckRequest {
        query: Some(Query { user: "users/ann".into(), permission: permission.into(), resource: resource.into(), ..Default::default() }),
        consistency: None,
    };

    // An unknown permission; a malformed name; a collection that the model does not declare.
    let status = tried.refused(Code::InvalidArgument, "UNKNOWN_PERMISSION", checks().check(ask("campaigns.fly", ACME))).await;
    assert!(status.message().contains("`campaigns.fly`"), "{}", status.message());
    let status = tried.refused(Code::InvalidArgument, "INVALID_FIELD", checks().check(ask("accounts.get", "organizations/Acme"))).await;
    assert_eq!(fields(&status), ["query.resource"]);
    tried
        .refused(Code::InvalidArgument, "UNKNOWN_COLLECTION", checks().check(ask("accounts.get", "organizations/acme/spaceships/1")))
        .await;

    // A binding of an unknown role; of a role at another type of node; with a map that it does not take.
    let status = tried
        .refused(
            Code::InvalidArgument,
            "UNKNOWN_ROLE",
            ann.role_bindings().create_role_binding(binding("users/cem", &system("emperor"), ACME)),
        )
        .await;
    assert!(status.message().contains("emperor"), "{}", status.message());
    tried
        .refused(
            Code::InvalidArgument,
            "INVALID_BINDING",
            ann.role_bindings().create_role_binding(binding("users/cem", &system("account-admin"), ACME)),
        )
        .await;
    tried
        .refused(
            Code::InvalidArgument,
            "INVALID_BINDING",
            ann.role_bindings().create_role_binding(binding("users/cem", &system("org-standard"), ACME)),
        )
        .await;
    // Seats are held by users directly.
    tried
        .refused(
            Code::InvalidArgument,
            "INVALID_BINDING",
            ann.role_bindings().create_role_binding(binding("organizations/acme/groups/inner", &system("org-admin"), ACME)),
        )
        .await;
    // Somebody else's tree.
    let mut foreign = binding("users/cem", "roleModels/media-marketplace/roles/owner", ACME);
    foreign.role_binding.as_mut().unwrap().role = "roleModels/media-marketplace/roles/owner".into();
    tried.refused(Code::InvalidArgument, "UNKNOWN_ROLE", ann.role_bindings().create_role_binding(foreign)).await;

    // A cycle of groups.
    let request = AddGroupMemberRequest {
        group: "organizations/acme/groups/inner".into(),
        member: "organizations/acme/groups/outer".into(),
        ..Default::default()
    };
    tried.refused(Code::FailedPrecondition, "GROUP_CYCLE", ann.groups().add_group_member(request)).await;

    // The sixth super admin: four more fit, and the next is told the limit.
    for user in ["cem", "dee", "eli", "fay"] {
        ann.role_bindings().create_role_binding(binding(&format!("users/{user}"), &system("super-admin"), ACME)).await.unwrap();
    }
    let sixth = binding("users/gus", &system("super-admin"), ACME);
    let status = tried.refused(Code::ResourceExhausted, "SEATS_TAKEN", ann.role_bindings().create_role_binding(sixth)).await;
    assert_eq!(status.get_details_error_info().unwrap().metadata["limit"], "5");
    let quota = status.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, system("super-admin"));

    // The last one of a required role.
    let request = ListRoleBindingsRequest { parent: "organizations/market".into(), ..Default::default() };
    let owner = ann.role_bindings().list_role_bindings(request).await.unwrap().into_inner().role_bindings.remove(0);
    let request = DeleteRoleBindingRequest { name: owner.name.clone(), ..Default::default() };
    tried.refused(Code::FailedPrecondition, "REQUIRED_ROLE", ann.role_bindings().delete_role_binding(request)).await;
    let request = DeleteMemberRequest { name: "organizations/market/members/ann".into(), ..Default::default() };
    tried.refused(Code::FailedPrecondition, "REQUIRED_ROLE", ann.members().delete_member(request)).await;

    // An actor without the right: a super admin is out of an org admin's reach, and a foreign thing looks like none.
    let request = ListRoleBindingsRequest { parent: ACME.into(), principal: "users/ann".into(), ..Default::default() };
    let super_admin = ann.role_bindings().list_role_bindings(request).await.unwrap().into_inner().role_bindings.remove(0);
    let request = DeleteRoleBindingRequest { name: super_admin.name.clone(), ..Default::default() };
    tried.refused(Code::PermissionDenied, "NOT_ALLOWED", bob.role_bindings().delete_role_binding(request)).await;
    let account = CreateAccountRequest {
        parent: ACME.into(),
        account: Some(Account { display_name: "A".into(), ..Default::default() }),
        ..Default::default()
    };
    tried.refused(Code::PermissionDenied, "NOT_ALLOWED", bob.accounts().create_account(account)).await;
    let foreign = tried
        .refused(
            Code::PermissionDenied,
            "NOT_ALLOWED",
            gus.organizations().get_organization(GetOrganizationRequest { name: "organizations/market".into() }),
        )
        .await;
    let missing = tried
        .refused(
            Code::PermissionDenied,
            "NOT_ALLOWED",
            gus.organizations().get_organization(GetOrganizationRequest { name: "organizations/nowhere".into() }),
        )
        .await;
    assert_eq!(foreign.message().replace("market", "X"), missing.message().replace("nowhere", "X"));
    tried
        .refused(
            Code::Unauthenticated,
            "ACTOR_MISSING",
            installation.session().organizations().get_organization(GetOrganizationRequest { name: ACME.into() }),
        )
        .await;

    // Every field that is wrong, at once.
    let request = CreateAccountRequest {
        parent: "acme".into(),
        account_id: "A 1".into(),
        account: Some(Account::default()),
        request_id: "1".into(),
        ..Default::default()
    };
    let status = tried.refused(Code::InvalidArgument, "INVALID_FIELD", ann.accounts().create_account(request)).await;
    let wrong = fields(&status);
    for field in ["parent", "account_id", "account.display_name", "request_id"] {
        assert!(wrong.iter().any(|path| path == field), "{field} is not among {wrong:?}");
    }

    // A role model with three mistakes: three findings with their places, and no model.
    let yaml = "
model: broken
title: Broken
components:
  - { id: campaigns, title: Campaigns }
permissions:
  - { id: campaigns.get, level: view, types: [spaceship] }
roles:
  - id: boss
    held_at: organization
    assign_with: campaigns.assign
    grants:
      - permissions: [campaigns.gte]
";
    let request = PushRoleModelRequest { source: Some(Source::Yaml(yaml.into())), ..Default::default() };
    let status =
        tried.refused(Code::InvalidArgument, "INVALID_ROLE_MODEL", installation.platform().role_models().push_role_model(request)).await;
    let findings = status.get_details_bad_request().unwrap().field_violations;
    for place in ["permissions[0].types[0]", "roles[0].assign_with", "roles[0].grants[0].permissions[0]"] {
        assert!(findings.iter().any(|finding| finding.field.contains(place)), "{place} is not among {findings:?}");
    }
    assert!(findings.iter().any(|finding| finding.description.contains("line 7")), "{findings:?}");
    let request = GetRoleModelRequest { name: "roleModels/broken".into(), model_revision: 0 };
    assert_eq!(installation.platform().role_models().get_role_model(request).await.unwrap_err().code(), Code::NotFound);

    // A custom role that gives more than its author has, and one in a model that has none.
    let role = Role {
        title: "Wide".into(),
        held_at: "account".into(),
        grants: vec![Grant { permissions: vec!["campaigns.get".into()], ..Default::default() }],
        ..Default::default()
    };
    let request = CreateRoleRequest { parent: ACME.into(), role: Some(role), ..Default::default() };
    let status = ann.roles().create_role(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::InvalidArgument | Code::PermissionDenied), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_with_details_and_writes_nothing_on_sqlite() {
    bad_input(Installation::start(Layout::One, Store::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_with_details_and_writes_nothing_on_postgres() {
    let store = Store::postgres().await;
    bad_input(Installation::start(Layout::Three, store)).await;
}
