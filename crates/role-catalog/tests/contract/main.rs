//! What the role catalog promises, tried on both stores. A store is added by one line below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

mod access_matrices;
mod permissions;
mod role_models;
mod roles;
mod support;

/// Every promise, once.
macro_rules! store_contract {
    ($store:ident) => {
        store_contract! { $store:
            role_models::a_document_pushed_twice_is_one_revision_and_a_changed_one_the_next,
            role_models::every_finding_comes_with_its_place_and_nothing_is_written,
            role_models::yaml_that_cannot_be_read_is_refused_with_line_and_column,
            role_models::the_same_request_is_answered_once_and_validating_changes_nothing,
            role_models::only_whom_authz_lets_pushes,
            role_models::the_shipped_models_are_there_and_loading_them_again_adds_nothing,
            role_models::an_operators_own_revision_of_a_shipped_model_stays_the_latest,
            role_models::role_models_are_listed_page_by_page,
            roles::a_custom_role_lives_and_its_name_is_never_used_again,
            roles::an_update_changes_what_the_mask_names_and_minds_the_etag,
            roles::a_role_in_use_is_not_deleted,
            roles::what_the_role_model_does_not_allow_is_refused_and_nothing_is_written,
            roles::a_repeated_request_is_answered_without_a_permit,
            roles::an_organization_has_at_most_five_hundred_custom_roles,
            roles::custom_and_system_roles_are_one_list_in_the_order_of_names,
            roles::system_roles_are_those_of_the_pinned_revision,
            roles::who_may_not_learns_nothing,
            permissions::the_catalogue_is_that_of_the_organizations_kind,
            permissions::the_catalogue_of_a_role_model_has_everything_and_offers_nothing,
            access_matrices::the_matrix_of_campaign_studio_is_its_source_cell_by_cell,
            access_matrices::an_organizations_matrix_has_its_kinds_sections_and_its_custom_roles,
            access_matrices::what_a_matrix_cannot_be_of_is_refused,
        }
    };
    ($store:ident: $($module:ident::$name:ident,)*) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let store = crate::support::TestStore::$store().await;
                    crate::$module::$name(&crate::support::Catalog::start(&store).await).await;
                    store.remove().await;
                }
            )*
        }
    };
}

store_contract!(sqlite);
store_contract!(postgres);
