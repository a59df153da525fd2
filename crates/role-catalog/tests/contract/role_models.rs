//! Role models.

use api::rolecatalog::v1::{GetRoleModelRequest, ListRoleModelsRequest, PushRoleModelRequest, RoleModel, push_role_model_request::Source};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::{Catalog, ann, refused, violations};

const SHIPPED: [&str; 5] = ["ad-platform", "agency", "brand-studio", "campaign-studio", "media-marketplace"];

fn yaml(text: impl Into<String>) -> PushRoleModelRequest {
    PushRoleModelRequest { source: Some(Source::Yaml(text.into())), ..PushRoleModelRequest::default() }
}

async fn push(catalog: &Catalog, request: PushRoleModelRequest) -> Result<RoleModel, Status> {
    Ok(catalog.role_models().push_role_model(ann(request)).await?.into_inner())
}

async fn get(catalog: &Catalog, name: &str, model_revision: u32) -> Result<RoleModel, Status> {
    let request = GetRoleModelRequest { name: name.to_owned(), model_revision };
    Ok(catalog.role_models().get_role_model(ann(request)).await?.into_inner())
}

pub(crate) async fn a_document_pushed_twice_is_one_revision_and_a_changed_one_the_next(catalog: &Catalog) {
    let first = push(catalog, yaml("model: m\ntitle: One\n")).await.unwrap();
    assert_eq!((first.name.as_str(), first.model_revision, first.title.as_str()), ("roleModels/m", 1, "One"));
    assert!(!first.revision.is_empty());
    let again = push(catalog, yaml("# The same.\ntitle: 'One'\nmodel: m\n")).await.unwrap();
    assert_eq!((again.model_revision, again.create_time), (1, first.create_time));
    let source = Some(Source::Document(first.document.clone().unwrap()));
    let as_message = push(catalog, PushRoleModelRequest { source, ..PushRoleModelRequest::default() }).await.unwrap();
    assert_eq!(as_message.model_revision, 1);
    let second = push(catalog, yaml("model: m\ntitle: Two\n")).await.unwrap();
    assert_eq!(second.model_revision, 2);

    assert_eq!(get(catalog, "roleModels/m", 0).await.unwrap().title, "Two");
    let old = get(catalog, "roleModels/m", 1).await.unwrap();
    assert_eq!((old.document, old.create_time), (first.document, first.create_time));
    assert_eq!(refused(get(catalog, "roleModels/m", 3).await), (Code::NotFound, "NOT_FOUND".into()));
    assert_eq!(refused(get(catalog, "roleModels/n", 0).await), (Code::NotFound, "NOT_FOUND".into()));
    let keys: Vec<_> = catalog.feed().await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["roleModels/m/revisions/1", "roleModels/m/revisions/2"]);
    assert_eq!(catalog.count("audit_entry").await, 2);
}

pub(crate) async fn every_finding_comes_with_its_place_and_nothing_is_written(catalog: &Catalog) {
    let text = "\
model: m
components:
  - { id: Wrong }
roles:
  - id: one
    held_at: organisation
  - id: two
    held_at: account
    grants:
      - permissions:
          - accounts.gte
";
    let found = violations(push(catalog, yaml(text)).await);
    let places: Vec<_> =
        found.iter().map(|(path, description)| (path.as_str(), description.split_once(": ").map_or("", |(place, _)| place))).collect();
    assert_eq!(
        places,
        [
            ("yaml.components[0].id", "line 3, column 11"),
            ("yaml.roles[0].held_at", "line 6, column 14"),
            ("yaml.roles[1].grants[0].permissions[0]", "line 11, column 13"),
        ],
        "{found:?}"
    );
    assert!(found[1].1.contains("did you mean `organization`?"), "{found:?}");
    let (code, reason) = refused(push(catalog, yaml(text)).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_ROLE_MODEL"));
    assert_eq!(catalog.commits().await, 0);
    assert_eq!(catalog.count("role_model_revision").await, 0);
}

pub(crate) async fn yaml_that_cannot_be_read_is_refused_with_line_and_column(catalog: &Catalog) {
    let found = violations(push(catalog, yaml("model: m\nroles:\n  - id: one\n    helt_at: organization\n")).await);
    assert_eq!(found.len(), 1);
    assert!(found[0].0 == "yaml" && found[0].1.starts_with("line 4, column 5: "), "{found:?}");
    assert_eq!(violations(push(catalog, PushRoleModelRequest::default()).await)[0].0, "yaml");
    let long = format!("model: m\n#{}\n", "x".repeat(1024 * 1024));
    assert_eq!(refused(push(catalog, yaml(long)).await), (Code::InvalidArgument, "INVALID_FIELD".into()));
}

pub(crate) async fn the_same_request_is_answered_once_and_validating_changes_nothing(catalog: &Catalog) {
    let tried = push(catalog, PushRoleModelRequest { validate_only: true, ..yaml("model: m\n") }).await.unwrap();
    assert_eq!((tried.model_revision, catalog.commits().await), (1, 0));
    let request = PushRoleModelRequest { request_id: Uuid::new_v4().to_string(), ..yaml("model: m\n") };
    let first = push(catalog, request.clone()).await.unwrap();
    push(catalog, yaml("model: m\ntitle: Other\n")).await.unwrap();
    assert_eq!(push(catalog, request.clone()).await.unwrap(), first);
    let other = PushRoleModelRequest { request_id: request.request_id, ..yaml("model: n\n") };
    assert_eq!(refused(push(catalog, other).await), (Code::InvalidArgument, "REQUEST_ID_REUSED".into()));
}

pub(crate) async fn only_whom_authz_lets_pushes(catalog: &Catalog) {
    catalog.world().refusing = true;
    assert_eq!(refused(push(catalog, yaml("model: m\n")).await).0, Code::PermissionDenied);
    assert_eq!(refused(push(catalog, yaml("model: [")).await).0, Code::PermissionDenied, "who may not push has nothing read");
    assert_eq!(refused(get(catalog, "roleModels/m", 0).await).0, Code::PermissionDenied, "authorization comes before existence");
    assert_eq!(catalog.commits().await, 0);
    let anonymous = catalog.role_models().push_role_model(yaml("model: m\n")).await;
    assert_eq!(refused(anonymous), (Code::Unauthenticated, "ACTOR_MISSING".into()));
}

pub(crate) async fn the_shipped_models_are_there_and_loading_them_again_adds_nothing(catalog: &Catalog) {
    let processes = catalog.processes().await;
    let starts = (0..8).map(|number| {
        let catalog = processes[number % processes.len()].clone();
        tokio::spawn(async move { catalog.ship_role_models().await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    assert_eq!(catalog.commits().await, 5);
    catalog.catalog.ship_role_models().await.unwrap();
    assert_eq!(catalog.commits().await, 5);
    for model in SHIPPED {
        let role_model = get(catalog, &format!("roleModels/{model}"), 0).await.unwrap();
        assert_eq!(role_model.model_revision, 1);
        assert_eq!(role_model.document.unwrap().model, model);
    }
    assert_eq!(catalog.feed().await.len(), 5);
    assert!(catalog.world().asked.iter().all(|ask| ask.actor == "users/ann"), "the product asks nobody");
}

pub(crate) async fn an_operators_own_revision_of_a_shipped_model_stays_the_latest(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    assert_eq!(push(catalog, yaml("model: agency\ntitle: Ours\n")).await.unwrap().model_revision, 2);
    catalog.catalog.ship_role_models().await.unwrap();
    assert_eq!(get(catalog, "roleModels/agency", 0).await.unwrap().title, "Ours");
}

pub(crate) async fn role_models_are_listed_page_by_page(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    push(catalog, yaml("model: agency\ntitle: Ours\n")).await.unwrap();
    let (mut token, mut listed, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let request = ListRoleModelsRequest { page_size: 2, page_token: token };
        let page = catalog.role_models().list_role_models(ann(request)).await.unwrap().into_inner();
        assert!(!page.revision.is_empty() && page.role_models.iter().all(|role_model| role_model.document.is_none()));
        listed.extend(page.role_models);
        pages += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, 3);
    let names: Vec<_> = listed.iter().map(|role_model| role_model.name.trim_start_matches("roleModels/")).collect();
    assert_eq!(names, SHIPPED);
    assert_eq!((listed[1].title.as_str(), listed[1].model_revision), ("Ours", 2));
    let foreign = ListRoleModelsRequest { page_size: 0, page_token: "AAAA".into() };
    assert_eq!(refused(catalog.role_models().list_role_models(ann(foreign)).await).1, "PAGE_TOKEN_INVALID");
}
