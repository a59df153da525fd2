//! What is none of somebody's business looks the same to them whether it is there or not, and whatever it is (DESIGN §6, invariant 8), on running services.

use api::directory::v1::*;
use client::{session::Session, world::load};
use decision::world::World;
use prost_types::FieldMask;
use tests::{
    installation::{Installation, Layout, Store},
    services::reason,
};
use tonic::Status;
use tonic_types::StatusExt;

const WORLD: &str = "
users: [ann, abe, ada, sam]
organizations:
  - id: acme
    model: ad-platform
    accounts: [{ id: shoes }]
    members: [ann, abe, ada]
    bindings:
      - { principal: ann, role: super-admin }
      - { id: abes, principal: abe, role: org-admin }
      - { id: adas, principal: ada, role: account-admin, node: accounts/shoes }
  - id: other
    model: ad-platform
    members: [sam]
    bindings: [{ principal: sam, role: super-admin }]
";

const ACME: &str = "organizations/acme";

async fn started() -> Installation {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&installation.platform(), &world).await.unwrap();
    installation
}

/// All that a refusal says, but for the name that was asked about.
fn told<T>(answer: Result<T, Status>, name: &str) -> String {
    let status = answer.err().expect("it is refused");
    let info = status.get_details_error_info().expect("every refusal has a reason");
    let mut metadata: Vec<_> = info.metadata.into_iter().collect();
    metadata.sort();
    format!("{:?} {} {} {metadata:?}", status.code(), status.message(), info.reason).replace(name, "<name>")
}

fn held(id: &str, node: &str) -> MemberRole {
    MemberRole { role: format!("roleModels/ad-platform/roles/{id}"), node: node.to_owned(), ..Default::default() }
}

async fn edit(who: &Session, name: &str, roles: Vec<MemberRole>, allow_missing: bool) -> String {
    let member = Some(Member { name: name.to_owned(), roles, ..Default::default() });
    let update_mask = Some(FieldMask { paths: vec!["roles".to_owned()] });
    let request = UpdateMemberRequest { member: member.clone(), update_mask: update_mask.clone(), allow_missing, ..Default::default() };
    let one = told(who.members().update_member(request.clone()).await, name);
    let batch = BatchUpdateMembersRequest { parent: ACME.to_owned(), requests: vec![request], ..Default::default() };
    if !allow_missing {
        assert_eq!(told(who.members().batch_update_members(batch).await, name), one);
    }
    one
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_holds_is_not_told_by_trying_to_change_it() {
    let installation = started().await;
    // A stranger, and a member who may not see who holds what.
    for who in ["sam", "ada"] {
        let session = installation.on_behalf_of(&format!("users/{who}"));
        for allow_missing in [false, true] {
            let mut answers = Vec::new();
            for name in ["abe", "ann", "sam", "nobody"] {
                for roles in [vec![], vec![held("org-admin", ACME)], vec![held("super-admin", ACME)], vec![held("org-standard", ACME)]] {
                    answers.push(edit(&session, &format!("{ACME}/members/{name}"), roles, allow_missing).await);
                }
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{who}: {answers:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_without_authority_over_it_looks_like_one_that_is_not_there() {
    let installation = started().await;
    for who in ["sam", "ada"] {
        let session = installation.on_behalf_of(&format!("users/{who}"));
        let mut answers = Vec::new();
        for id in ["abes", "none"] {
            let name = format!("{ACME}/roleBindings/{id}");
            let request = DeleteRoleBindingRequest { name: name.clone(), ..Default::default() };
            answers.push(told(session.role_bindings().delete_role_binding(request).await, &name));
            let role_binding = Some(RoleBinding { name: name.clone(), role: held("org-standard", "").role, ..Default::default() });
            let request = UpdateRoleBindingRequest { role_binding, ..Default::default() };
            answers.push(told(session.role_bindings().update_role_binding(request).await, &name));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{who}: {answers:#?}");
    }
    // Whoever may see them is told that there is none.
    let ann = installation.on_behalf_of("users/ann");
    let request = DeleteRoleBindingRequest { name: format!("{ACME}/roleBindings/none"), ..Default::default() };
    assert_eq!(reason(&ann.role_bindings().delete_role_binding(request).await.unwrap_err()), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_to_a_name_that_nobody_has_is_for_nobody_who_takes_it_afterwards() {
    let installation = started().await;
    let (ann, platform) = (installation.on_behalf_of("users/ann"), installation.platform());
    let offer = |id: &str, partner: &str| CreatePartnershipRequest {
        parent: ACME.to_owned(),
        partnership_id: id.to_owned(),
        partnership: Some(Partnership {
            partner: format!("organizations/{partner}"),
            node: ACME.to_owned(),
            roles: vec![held("org-partner", "").role],
            ..Default::default()
        }),
        ..Default::default()
    };
    for (id, partner) in [("early", "later"), ("known", "other")] {
        ann.partnerships().create_partnership(offer(id, partner)).await.unwrap();
    }
    assert!(tests::invariants::violations(&platform).await.is_empty());
    let organization = Organization { display_name: "Later".into(), role_model: "roleModels/ad-platform".into(), ..Default::default() };
    let holders = vec![InitialHolder { user: "users/sam".into(), role: held("super-admin", "").role }];
    let request =
        CreateOrganizationRequest { organization_id: "later".into(), organization: Some(organization), holders, ..Default::default() };
    platform.organizations().create_organization(request).await.unwrap();
    let sam = installation.on_behalf_of("users/sam");
    let accept = |id: &str| AcceptPartnershipRequest { name: format!("{ACME}/partnerships/{id}"), ..Default::default() };
    assert_eq!(reason(&sam.partnerships().accept_partnership(accept("early")).await.unwrap_err()), "NOT_FOUND");
    sam.partnerships().accept_partnership(accept("known")).await.unwrap();
}
