//! Access matrices.

use std::collections::BTreeSet;

use api::rolecatalog::v1::{
    AccessMatrix, CreateRoleRequest, GetAccessMatrixRequest, Role, access_matrix::cell::Verdict, role_model_document::Grant,
};
use tonic::{Code, Status};

use crate::support::{Catalog, ORGANIZATION, ann, refused, violations};

/// The source's own matrix.
const CAMPAIGN_STUDIO: &str = include_str!("../../../../tests/conformance/campaign-studio.csv");

fn of(parent: &str, roles: &[&str]) -> GetAccessMatrixRequest {
    GetAccessMatrixRequest { parent: parent.to_owned(), roles: roles.iter().map(|role| (*role).to_owned()).collect(), model_revision: 0 }
}

async fn get(catalog: &Catalog, request: GetAccessMatrixRequest) -> Result<AccessMatrix, Status> {
    Ok(catalog.access_matrices().get_access_matrix(ann(request)).await?.into_inner())
}

pub(crate) async fn the_matrix_of_campaign_studio_is_its_source_cell_by_cell(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let matrix = get(catalog, of("roleModels/campaign-studio", &[])).await.unwrap();
    assert_eq!((matrix.role_model.as_str(), matrix.model_revision), ("roleModels/campaign-studio", 1));
    assert!(!matrix.revision.is_empty());
    let roles: Vec<&str> = matrix.columns.iter().map(|column| column.role.rsplit('/').next().unwrap()).collect();
    let mut conditional = BTreeSet::new();
    let mut lines = vec![["section", "action"].into_iter().chain(roles).collect::<Vec<_>>().join(",")];
    for section in &matrix.sections {
        for row in &section.rows {
            // The source writes ALLOW also for what hangs on a condition (D3).
            let words = row.cells.iter().map(|cell| match cell.verdict() {
                Verdict::Conditional => "ALLOW",
                verdict => verdict.as_str_name().trim_start_matches("VERDICT_"),
            });
            for (cell, column) in row.cells.iter().zip(&matrix.columns).filter(|(cell, _)| cell.verdict() == Verdict::Conditional) {
                let uses = cell.conditions.iter().map(|one| one.condition.clone().unwrap().id);
                conditional.insert((section.id.as_str(), row.id.as_str(), column.title.as_str(), uses.collect::<Vec<_>>().join(" ")));
            }
            lines.push([section.id.as_str(), row.id.as_str()].into_iter().chain(words).collect::<Vec<_>>().join(","));
        }
    }
    assert_eq!(lines, CAMPAIGN_STUDIO.lines().collect::<Vec<_>>());
    let expected = ["campaigns", "audiences", "creatives"]
        .into_iter()
        .flat_map(|section| ["update", "delete"].map(|row| (section, row, "Campaign Designer", "not-live".to_owned())));
    assert_eq!(conditional, expected.collect());
}

pub(crate) async fn an_organizations_matrix_has_its_kinds_sections_and_its_custom_roles(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    let grants = vec![Grant { permissions: vec!["activation.view_campaigns".to_owned()], ..Default::default() }];
    let role = Role { title: "Buyer".into(), held_at: "account".into(), grants, ..Default::default() };
    let create = CreateRoleRequest { parent: ORGANIZATION.into(), role_id: "buyer".into(), role: Some(role), ..Default::default() };
    catalog.roles().create_role(ann(create)).await.unwrap();
    let sections = |matrix: &AccessMatrix| matrix.sections.iter().map(|section| section.id.clone()).collect::<Vec<_>>();

    let whole = get(catalog, of(ORGANIZATION, &[])).await.unwrap();
    let last = whole.columns.last().unwrap();
    assert_eq!((last.role.as_str(), last.title.as_str(), last.custom), ("organizations/acme/roles/buyer", "Buyer", true));
    assert!(whole.columns.len() > 1 && whole.columns[..whole.columns.len() - 1].iter().all(|column| !column.custom));
    assert!(sections(&whole).contains(&"activation".to_owned()) && !sections(&whole).contains(&"inventory".to_owned()));

    let one = get(catalog, of(ORGANIZATION, &["organizations/acme/roles/buyer"])).await.unwrap();
    assert_eq!(one.columns.len(), 1);
    let allowed: Vec<String> = one
        .sections
        .iter()
        .flat_map(|section| &section.rows)
        .filter(|row| row.cells[0].verdict() == Verdict::Allow)
        .flat_map(|row| row.permissions.clone())
        .collect();
    assert_eq!(allowed, ["activation.view_campaigns"]);

    catalog.world().kind = "publisher";
    let published = get(catalog, of(ORGANIZATION, &[])).await.unwrap();
    assert!(sections(&published).contains(&"inventory".to_owned()) && !sections(&published).contains(&"activation".to_owned()));
}

pub(crate) async fn what_a_matrix_cannot_be_of_is_refused(catalog: &Catalog) {
    catalog.catalog.ship_role_models().await.unwrap();
    for (request, code) in [
        (of("roleModels/none", &[]), Code::NotFound),
        (GetAccessMatrixRequest { model_revision: 9, ..of("roleModels/agency", &[]) }, Code::NotFound),
        (of("roleModels/agency", &["roleModels/agency/roles/none"]), Code::NotFound),
        // Another role model's, and another organization's.
        (of("roleModels/agency", &["roleModels/ad-platform/roles/super-admin"]), Code::NotFound),
        (of(ORGANIZATION, &["organizations/other/roles/buyer"]), Code::NotFound),
        (of("organizations/acme/accounts/a", &[]), Code::InvalidArgument),
    ] {
        assert_eq!(refused(get(catalog, request.clone()).await).0, code, "{request:?}");
    }
    let wrong = GetAccessMatrixRequest { model_revision: 1, ..of(ORGANIZATION, &["x", "roleModels/m/roles/r", "roleModels/m/roles/r"]) };
    let paths: Vec<String> = violations(get(catalog, wrong).await).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["model_revision", "roles[0]", "roles[2]"]);
    catalog.world().refusing = true;
    assert_eq!(refused(get(catalog, of(ORGANIZATION, &[])).await).0, Code::PermissionDenied);
}
