//! System and custom roles.

use api::{
    authz::v1::requirement::Kind,
    feed::v1::record::State as RecordState,
    rolecatalog::v1::{
        CreateRoleRequest, DeleteRoleRequest, GetRoleRequest, ListRolesRequest, PushRoleModelRequest, Role, UpdateRoleRequest,
        push_role_model_request::Source, role::State, role_model_document::Grant,
    },
};
use prost_types::FieldMask;
use sea_orm::{ConnectionTrait, Database};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Catalog, ORGANIZATION, ann, refused, violations};

const BUYER: &str = "organizations/acme/roles/buyer";

fn grant(permission: &str) -> Grant {
    Grant { permissions: vec![permission.to_owned()], ..Grant::default() }
}

fn buyer() -> Role {
    Role {
        title: "Buyer".into(),
        description: "Buys.\nAnd looks.".into(),
        held_at: "account".into(),
        grants: vec![grant("activation.view_campaigns")],
        ..Role::default()
    }
}

fn creating(id: &str, role: Role) -> CreateRoleRequest {
    CreateRoleRequest { parent: ORGANIZATION.into(), role_id: id.into(), role: Some(role), ..CreateRoleRequest::default() }
}

async fn create(catalog: &Catalog, request: CreateRoleRequest) -> Result<Role, Status> {
    Ok(catalog.roles().create_role(ann(request)).await?.into_inner())
}

async fn get(catalog: &Catalog, name: &str) -> Result<Role, Status> {
    Ok(catalog.roles().get_role(ann(GetRoleRequest { name: name.into() })).await?.into_inner())
}

async fn update(catalog: &Catalog, role: Role, mask: &[&str]) -> Result<Role, Status> {
    let update_mask = Some(FieldMask { paths: mask.iter().map(|path| (*path).to_owned()).collect() });
    let request = UpdateRoleRequest { role: Some(role), update_mask, ..UpdateRoleRequest::default() };
    Ok(catalog.roles().update_role(ann(request)).await?.into_inner())
}

async fn delete(catalog: &Catalog, etag: &str) -> Result<Role, Status> {
    let request = DeleteRoleRequest { name: BUYER.into(), etag: etag.into(), ..DeleteRoleRequest::default() };
    Ok(catalog.roles().delete_role(ann(request)).await?.into_inner())
}

/// Everything of a list, and in how many pages.
async fn list(catalog: &Catalog, request: ListRolesRequest) -> (Vec<Role>, usize) {
    let (mut token, mut roles, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = catalog.roles().list_roles(ann(ListRolesRequest { page_token: token, ..request.clone() })).await.unwrap().into_inner();
        assert!(page.roles.iter().all(|role| role.revision == page.revision));
        roles.extend(page.roles);
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            return (roles, pages);
        }
    }
}

fn names(roles: &[Role]) -> Vec<&str> {
    roles.iter().map(|role| role.name.rsplit('/').next().unwrap()).collect()
}

fn listing(parent: &str) -> ListRolesRequest {
    ListRolesRequest { parent: parent.into(), ..ListRolesRequest::default() }
}

pub(crate) async fn a_custom_role_lives_and_its_name_is_never_used_again(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let created = create(catalog, creating("buyer", buyer())).await.unwrap();
    assert_eq!((created.name.as_str(), created.custom, created.state()), (BUYER, true, State::Active));
    assert_eq!((created.etag.as_str(), created.create_time), ("1", created.update_time));
    let Some(Kind::DefineRole(asked)) = catalog.world().asked.last().unwrap().requirements[0].kind.clone() else {
        panic!("of another kind")
    };
    assert_eq!(asked.key, BUYER);
    let record = catalog.feed().await.into_iter().find(|(key, _)| key == BUYER).unwrap().1;
    assert_eq!(record.state, asked.state, "what was permitted is what is written");
    assert!(matches!(record.state, Some(RecordState::CustomRole(state)) if state.held_at == "account" && state.grants == buyer().grants));

    let seen = get(catalog, BUYER).await.unwrap();
    assert_eq!(Role { revision: created.revision.clone(), ..seen }, created);
    assert_eq!(refused(create(catalog, creating("buyer", buyer())).await), (Code::AlreadyExists, "ALREADY_EXISTS".into()));
    let generated = create(catalog, creating("", buyer())).await.unwrap();
    assert!(generated.name.starts_with("organizations/acme/roles/"));

    let deleted = delete(catalog, &created.etag).await.unwrap();
    assert_eq!((deleted.state(), deleted.etag.as_str()), (State::Deleted, "2"));
    assert!(catalog.feed().await.iter().all(|(key, _)| key != BUYER));
    assert_eq!(get(catalog, BUYER).await.unwrap().state(), State::Deleted);
    assert_eq!(refused(delete(catalog, "").await), (Code::FailedPrecondition, "WRONG_STATE".into()));
    let renamed = Role { name: BUYER.into(), title: "Again".into(), ..Role::default() };
    assert_eq!(refused(update(catalog, renamed, &["title"]).await), (Code::FailedPrecondition, "WRONG_STATE".into()));
    assert_eq!(refused(create(catalog, creating("buyer", buyer())).await), (Code::AlreadyExists, "ALREADY_EXISTS".into()));
}

pub(crate) async fn an_update_changes_what_the_mask_names_and_minds_the_etag(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let created = create(catalog, creating("buyer", buyer())).await.unwrap();
    let wanted = Role { title: "Planner".into(), grants: vec![grant("planning.view_plans")], ..created.clone() };
    let titled = update(catalog, wanted.clone(), &["title"]).await.unwrap();
    assert_eq!((titled.title.as_str(), titled.etag.as_str(), &titled.grants), ("Planner", "2", &created.grants));
    assert_eq!(refused(update(catalog, wanted.clone(), &["grants"]).await), (Code::Aborted, "ETAG_MISMATCH".into()));
    let granted = update(catalog, Role { etag: titled.etag, ..wanted.clone() }, &["grants"]).await.unwrap();
    assert_eq!(granted.grants, wanted.grants);
    let unmasked = Role { name: BUYER.into(), description: "Plans.".into(), ..Role::default() };
    let described = update(catalog, unmasked, &[]).await.unwrap();
    assert_eq!((described.description.as_str(), described.title.as_str(), described.etag.as_str()), ("Plans.", "Planner", "4"));
    let cleared = update(catalog, Role { name: BUYER.into(), ..Role::default() }, &["description"]).await.unwrap();
    assert_eq!(cleared.description, "");
    assert_eq!(violations(update(catalog, wanted.clone(), &["held_at"]).await)[0].0, "update_mask");
    assert_eq!(violations(update(catalog, Role { name: BUYER.into(), ..Role::default() }, &["*"]).await)[0].0, "role.grants");
    let missing = Role { name: "organizations/acme/roles/none".into(), title: "x".into(), ..Role::default() };
    assert_eq!(refused(update(catalog, missing, &["title"]).await), (Code::NotFound, "NOT_FOUND".into()));
    assert_eq!(catalog.count("audit_entry").await, 5 + 5);
}

pub(crate) async fn a_role_in_use_is_not_deleted(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let created = create(catalog, creating("buyer", buyer())).await.unwrap();
    catalog.world().bindings_in_use = 3;
    let before = catalog.commits().await;
    assert_eq!(refused(delete(catalog, "").await), (Code::FailedPrecondition, "IN_USE".into()));
    assert_eq!(catalog.commits().await, before);
    assert_eq!(get(catalog, BUYER).await.unwrap().etag, created.etag);
    catalog.world().bindings_in_use = 0;
    assert_eq!(refused(delete(catalog, "7").await), (Code::Aborted, "ETAG_MISMATCH".into()));
    delete(catalog, &created.etag).await.unwrap();
}

pub(crate) async fn what_the_role_model_does_not_allow_is_refused_and_nothing_is_written(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let before = catalog.commits().await;
    let role = Role { grants: vec![grant("inventory.view_sites"), grant("accounts.get"), grant("activation.fly")], ..buyer() };
    let answer = create(catalog, creating("buyer", role.clone())).await;
    let paths: Vec<_> = violations(answer.clone()).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["role.grants[2].permissions[0]", "role.grants[0].permissions[0]", "role.grants[1].permissions[0]"]);
    assert_eq!(refused(answer), (Code::InvalidArgument, "INVALID_ROLE".into()));
    catalog.world().finds_definitions_invalid = true;
    assert_eq!(violations(create(catalog, creating("buyer", role.clone())).await).len(), 3, "all, not only what authz says");
    assert_eq!(refused(create(catalog, creating("buyer", buyer())).await), (Code::InvalidArgument, "INVALID_ROLE".into()));
    catalog.world().finds_definitions_invalid = false;
    let at_organization = Role { held_at: "organization".into(), ..buyer() };
    assert_eq!(violations(create(catalog, creating("buyer", at_organization)).await)[0].0, "role.held_at");
    for (role, path) in [
        (Role { grants: Vec::new(), ..buyer() }, "role.grants"),
        (Role { grants: vec![grant("activation.view_campaigns"); 101], ..buyer() }, "role.grants"),
        (Role { grants: vec![grant(&"x".repeat(70_000))], ..buyer() }, "role.grants"),
        (Role { title: "x".repeat(201), ..buyer() }, "role.title"),
        (Role { held_at: String::new(), ..buyer() }, "role.held_at"),
    ] {
        assert_eq!(violations(create(catalog, creating("buyer", role)).await)[0].0, path);
    }
    let level = Grant { components: [("activation".to_owned(), "edti".to_owned())].into(), ..Grant::default() };
    assert_eq!(violations(create(catalog, creating("buyer", Role { grants: vec![level], ..buyer() })).await)[0].0, "role.grants[0]");
    catalog.world().kind = "publisher";
    let status = create(catalog, creating("buyer", buyer())).await;
    assert_eq!(refused(status), (Code::InvalidArgument, "INVALID_ROLE".into()), "campaigns are not for publishers");
    assert_eq!(catalog.commits().await, before);
}

pub(crate) async fn a_repeated_request_is_answered_without_a_permit(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let tried = create(catalog, CreateRoleRequest { validate_only: true, ..creating("buyer", buyer()) }).await.unwrap();
    assert_eq!(tried.name, BUYER);
    assert_eq!(refused(get(catalog, BUYER).await).0, Code::NotFound);
    let request = CreateRoleRequest { request_id: Uuid::new_v4().to_string(), ..creating("buyer", buyer()) };
    let first = create(catalog, request.clone()).await.unwrap();
    delete(catalog, "").await.unwrap();
    catalog.world().refusing = true;
    assert_eq!(create(catalog, request.clone()).await.unwrap(), first);
    let other = CreateRoleRequest { request_id: request.request_id, ..creating("seller", buyer()) };
    assert_eq!(refused(create(catalog, other).await), (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
}

pub(crate) async fn an_organization_has_at_most_five_hundred_custom_roles(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let last = create(catalog, creating("r499", buyer())).await.unwrap();
    // The others past the ledger, which would take a while.
    let raw = Database::connect(catalog.url()).await.unwrap();
    let rows: Vec<String> = (0..499).map(|n| format!("SELECT 'organizations/acme/roles/r{n:03}' AS name")).collect();
    let sql = format!(
        "INSERT INTO custom_role(name, organization, held_at, title, description, grants, deleted, create_time, update_time, version)
         SELECT added.name, organization, held_at, title, description, grants, deleted, create_time, update_time, version
         FROM custom_role CROSS JOIN ({}) AS added",
        rows.join(" UNION ALL ")
    );
    raw.execute_unprepared(&sql).await.unwrap();
    raw.close().await.unwrap();
    assert_eq!(refused(create(catalog, creating("one-more", buyer())).await), (Code::ResourceExhausted, "LIMIT_REACHED".into()));
    let request = DeleteRoleRequest { name: last.name, ..DeleteRoleRequest::default() };
    catalog.roles().delete_role(ann(request)).await.unwrap();
    create(catalog, creating("one-more", buyer())).await.unwrap();

    let (roles, pages) = list(catalog, ListRolesRequest { page_size: 100, ..listing(ORGANIZATION) }).await;
    assert_eq!((roles.len(), pages), (500 + 5, 6));
    assert!(roles.is_sorted_by(|one, other| one.name < other.name));
}

pub(crate) async fn custom_and_system_roles_are_one_list_in_the_order_of_names(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    for id in ["seller", "buyer", "planner"] {
        create(catalog, creating(id, buyer())).await.unwrap();
    }
    delete(catalog, "").await.unwrap();
    let system = ["account-admin", "account-viewer", "member", "owner", "supply-manager"];
    for page_size in [1, 2, 3, 7, 100] {
        let (roles, pages) = list(catalog, ListRolesRequest { page_size, ..listing(ORGANIZATION) }).await;
        assert_eq!(names(&roles), ["planner", "seller", "account-admin", "account-viewer", "member", "owner", "supply-manager"]);
        assert_eq!(pages, 7_usize.div_ceil(usize::try_from(page_size).unwrap()));
        assert_eq!(roles.iter().filter(|role| role.custom).count(), 2);
    }
    let (roles, _) = list(catalog, ListRolesRequest { held_at: "account".into(), show_deleted: true, ..listing(ORGANIZATION) }).await;
    assert_eq!(names(&roles), ["buyer", "planner", "seller", "account-admin", "account-viewer"]);
    let (roles, _) = list(catalog, ListRolesRequest { page_size: 2, ..listing("roleModels/media-marketplace") }).await;
    assert_eq!(names(&roles), system);

    let owner = get(catalog, "roleModels/media-marketplace/roles/owner").await.unwrap();
    assert_eq!((owner.custom, owner.title.as_str(), owner.held_at.as_str()), (false, "Owner", "organization"));
    assert_eq!(owner.system.unwrap().seats.unwrap().least, 1);
    assert_eq!(refused(get(catalog, "roleModels/media-marketplace/roles/none").await).0, Code::NotFound);
    let system_role = Role { name: "roleModels/media-marketplace/roles/owner".into(), title: "x".into(), ..Role::default() };
    assert_eq!(violations(update(catalog, system_role, &["title"]).await)[0].0, "role.name");
    let token = catalog
        .roles()
        .list_roles(ann(ListRolesRequest { page_size: 1, ..listing(ORGANIZATION) }))
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    let elsewhere = ListRolesRequest { page_token: token, ..listing("roleModels/media-marketplace") };
    assert_eq!(refused(catalog.roles().list_roles(ann(elsewhere)).await).1, "PAGE_TOKEN_INVALID");
}

pub(crate) async fn system_roles_are_those_of_the_pinned_revision(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let yaml = "model: media-marketplace\nroles:\n  - { id: only, held_at: organization, grants: [{ permissions: [organization.get] }] }\n";
    let push = PushRoleModelRequest { source: Some(Source::Yaml(yaml.into())), ..PushRoleModelRequest::default() };
    catalog.role_models().push_role_model(ann(push)).await.unwrap();
    assert_eq!(list(catalog, listing(ORGANIZATION)).await.0.len(), 5);
    assert_eq!(names(&list(catalog, listing("roleModels/media-marketplace")).await.0), ["only"]);
    catalog.world().role_model_revision = 2;
    let (roles, _) = list(catalog, listing(ORGANIZATION)).await;
    assert_eq!((names(&roles), roles[0].etag.as_str()), (vec!["only"], "2"));
    assert_eq!(violations(create(catalog, creating("buyer", buyer())).await)[0].0, "role", "the second has no custom roles");
}

pub(crate) async fn who_may_not_learns_nothing(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    create(catalog, creating("buyer", buyer())).await.unwrap();
    catalog.world().refusing = true;
    let other = "organizations/acme/roles/none";
    for name in [BUYER, other] {
        assert_eq!(refused(get(catalog, name).await).0, Code::PermissionDenied);
        let role = Role { name: name.into(), title: "x".into(), ..Role::default() };
        assert_eq!(refused(update(catalog, role, &["title"]).await).0, Code::PermissionDenied);
        let request = DeleteRoleRequest { name: name.into(), ..DeleteRoleRequest::default() };
        assert_eq!(refused(catalog.roles().delete_role(ann(request)).await).0, Code::PermissionDenied);
    }
    assert_eq!(refused(create(catalog, creating("buyer", buyer())).await).0, Code::PermissionDenied);
    assert_eq!(refused(catalog.roles().list_roles(ann(listing(ORGANIZATION))).await).0, Code::PermissionDenied);
}
