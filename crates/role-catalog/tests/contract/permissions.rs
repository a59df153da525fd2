//! The permission catalogue.

use std::collections::BTreeMap;

use api::rolecatalog::v1::{ListPermissionsRequest, Permission};
use tonic::Code;

use crate::support::{Catalog, ORGANIZATION, ann, refused};

async fn list(catalog: &Catalog, parent: &str, all_kinds: bool) -> Vec<Permission> {
    let request = ListPermissionsRequest { parent: parent.to_owned(), all_kinds };
    let answer = catalog.permissions().list_permissions(ann(request)).await.unwrap().into_inner();
    assert!(!answer.revision.is_empty());
    answer.permissions
}

/// The selectable ones by section.
fn sections(permissions: &[Permission]) -> BTreeMap<&str, usize> {
    let mut sections = BTreeMap::new();
    for permission in permissions.iter().filter(|permission| permission.selectable) {
        assert_eq!(permission.not_selectable_reason, "");
        for section in &permission.sections {
            *sections.entry(section.as_str()).or_default() += 1;
        }
    }
    sections
}

pub(crate) async fn the_catalogue_is_that_of_the_organizations_kind(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let marketers = BTreeMap::from([("planning-and-audience", 6), ("activation", 4), ("reporting", 2), ("administration", 1)]);
    assert_eq!(sections(&list(catalog, ORGANIZATION, false).await), marketers);

    catalog.world().kind = "publisher";
    let published = list(catalog, ORGANIZATION, false).await;
    // Two each of deals' four are of accounts, as is one of the account roles'.
    let publishers = BTreeMap::from([
        ("inventory", 4),
        ("deals", 2),
        ("yield", 2),
        ("reporting", 2),
        ("administration", 1),
        ("administration-user-access", 2),
    ]);
    assert_eq!(sections(&published), publishers);
    assert!(published.iter().all(|permission| !permission.id.starts_with("planning.")));

    catalog.world().kind = "mixed";
    let mixed = sections(&list(catalog, ORGANIZATION, false).await).len();
    assert_eq!(mixed, 7);

    catalog.world().kind = "publisher";
    let all = list(catalog, ORGANIZATION, true).await;
    let reason = |id: &str| all.iter().find(|permission| permission.id == id).unwrap().not_selectable_reason.clone();
    assert_eq!(reason("planning.view_plans"), "KIND");
    assert_eq!(reason("accounts.get"), "RESERVED");
    assert_eq!(reason("access.assign_account_roles"), "RESERVED");
    assert_eq!(reason("deals.view_exchanges"), "TYPE");

    catalog.world().role_model = "roleModels/ad-platform".into();
    let none = list(catalog, ORGANIZATION, false).await;
    assert!(none.iter().all(|permission| !permission.selectable && permission.not_selectable_reason == "NO_CUSTOM_ROLES"));
}

pub(crate) async fn the_catalogue_of_a_role_model_has_everything_and_offers_nothing(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let permissions = list(catalog, "roleModels/media-marketplace", false).await;
    assert!(permissions.iter().all(|permission| !permission.selectable));
    let find = |id: &str| permissions.iter().find(|permission| permission.id == id).unwrap();
    let plans = find("planning.view_plans");
    assert_eq!((plans.component.as_str(), plans.level.as_str(), plans.reserved), ("planning", "view", false));
    assert_eq!(
        (&plans.kinds[..], &plans.sections[..]),
        (&["marketer".to_owned(), "mixed".to_owned()][..], &["planning-and-audience".to_owned()][..])
    );
    assert!(find("members.create").reserved);
    assert_eq!(permissions[0].component, "planning");
    let parent = |parent: &str| ListPermissionsRequest { parent: parent.to_owned(), all_kinds: false };
    assert_eq!(refused(catalog.permissions().list_permissions(ann(parent("roleModels/none"))).await).0, Code::NotFound);
    assert_eq!(
        refused(catalog.permissions().list_permissions(ann(parent("organizations/acme/accounts/a"))).await).0,
        Code::InvalidArgument
    );
}
