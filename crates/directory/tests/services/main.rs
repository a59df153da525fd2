//! The services of the directory over gRPC, on both stores, with an authz that says what a test wants it to say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of this is test code, also what is not a test itself")]

mod access;
mod audit;
mod authz;
mod batches;
mod imports;
mod installation;
mod invitations;
mod nodes;
mod organizations;
mod people;
mod rosters;
mod structure;

/// Every test, on each store: `both_stores! { module: name, name }`.
macro_rules! both_stores {
    ($($module:ident::$name:ident,)*) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let installation = crate::installation::Installation::sqlite().await;
                    crate::$module::$name(&installation).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let installation = crate::installation::Installation::postgres().await;
                    crate::$module::$name(&installation).await;
                    installation.remove().await;
                }
            )*
        }
    };
}

both_stores! {
    access::a_grant_takes_a_user_in_with_the_default_role_or_is_refused,
    access::of_an_exclusive_set_one_role_is_held_and_it_is_changed_in_one_step,
    access::seats_hold_under_a_hundred_calls_at_once,
    access::one_required_holder_remains_whatever_is_tried_at_once,
    access::an_organization_is_in_use_from_its_last_required_holder_on,
    access::members_that_stay_stay_by_every_path,
    access::a_removed_member_takes_bindings_and_places_in_groups_along,
    access::a_group_never_contains_itself,
    access::a_deleted_group_leaves_nothing_and_its_name_is_not_used_again,
    access::a_partnership_allows_no_role_of_another_organization,
    access::a_revoked_partnership_takes_what_it_sponsored_along,
    access::what_has_expired_is_swept_in_its_tree,
    access::a_deleted_user_leaves_every_tree_or_none,
    access::only_the_platform_may_leave_an_organization_without_an_owner,
    access::a_repeated_delete_gets_the_first_answer,
    access::an_address_belongs_to_one_user_without_regard_to_case,
    access::bindings_are_listed_by_node_and_principal_in_pages,
    invitations::an_invitation_is_accepted_once_by_whom_it_is_for,
    invitations::a_token_is_in_one_answer_and_nowhere_else,
    invitations::a_wrong_token_and_one_of_somebody_else_look_the_same,
    invitations::a_resent_invitation_has_another_token_and_rests_on_who_resent_it,
    invitations::what_has_ended_cannot_be_accepted,
    invitations::the_same_offer_is_pending_once,
    invitations::pending_invitations_take_seats,
    invitations::a_hundred_acceptances_for_five_seats_leave_five_holders,
    invitations::fifty_acceptances_of_one_token_give_one_binding,
    invitations::the_inviter_is_asked_about_at_acceptance,
    invitations::acceptance_takes_the_place_of_another_organization_role,
    invitations::invitations_end_with_their_member_user_node_and_sponsor,
    invitations::what_has_expired_is_marked_and_at_last_forgotten,
    invitations::invitations_are_listed_by_node_state_and_address,
    invitations::several_are_invited_by_one_commit_or_none,
    invitations::an_invited_customer_is_in_use_from_its_first_acceptance_on,
    invitations::what_happens_to_invitations_is_told_once_in_order_and_without_secrets,
    invitations::a_verdict_about_an_invitation_is_that_of_the_call,
    invitations::all_that_is_wrong_with_an_invitation_is_said_at_once,
    batches::several_roles_are_given_by_one_commit_or_none,
    batches::of_several_roles_the_first_that_cannot_be_given_is_named,
    batches::several_bindings_are_changed_at_once_so_that_two_change_places,
    batches::several_bindings_are_revoked_by_one_commit_or_none,
    batches::several_are_taken_in_with_their_roles_by_one_commit_or_none,
    batches::several_members_are_changed_at_once_so_that_two_change_places,
    batches::members_that_stay_stay_by_every_batch,
    audit::a_node_has_the_trail_of_what_is_at_and_in_it_in_pages_that_stay,
    audit::who_may_not_see_a_trail_does_not_learn_of_it,
    imports::rows_are_there_once_however_often_they_are_imported,
    imports::what_differs_from_what_is_there_is_refused_with_the_field,
    imports::refused_rows_are_found_and_the_others_are_done,
    imports::a_row_needs_what_its_single_call_needs,
    imports::a_dry_run_judges_and_writes_nothing,
    imports::where_granting_takes_nobody_in_a_binding_brings_its_member,
    imports::an_export_imports_into_an_empty_installation,
    people::a_managed_user_is_taken_in_and_tells_nothing_of_others,
    people::a_managed_user_can_be_used_nowhere_else,
    people::whoever_manages_a_user_changes_and_deletes_them_and_the_platform_alone_suspends,
    people::an_identity_is_one_users_and_ends_with_them,
    people::an_organization_links_identities_of_its_trees_issuers_to_its_own_users,
    people::an_organization_needs_an_owner_until_it_has_one_again,
    access::the_roles_that_may_be_given_are_listed_with_what_is_in_the_way,
    people::a_member_comes_with_their_roles_in_one_commit,
    people::an_edit_of_a_member_is_one_commit_and_what_is_so_for_a_moment_does_not_count,
    people::what_a_member_holds_is_shown_to_whoever_may_see_access,
    people::members_that_stay_stay_when_their_roles_are_replaced,
    organizations::a_root_pins_the_role_model_and_needs_no_holder_where_no_role_is_required,
    organizations::an_organization_with_a_required_role_is_provisioning_until_it_has_a_holder,
    organizations::holders_become_members_and_get_their_roles_in_the_same_commit,
    organizations::a_customer_takes_the_tree_of_its_agency,
    organizations::a_name_is_never_used_again,
    organizations::roots_are_listed_in_pages_whose_tokens_are_of_one_actor,
    organizations::customers_are_listed_where_the_actor_may_see_them,
    organizations::suspending_is_decided_above_the_organization,
    organizations::customers_are_never_deleted_by_force_and_other_children_only_by_it,
    organizations::a_foreign_name_and_a_missing_one_look_the_same,
    organizations::the_same_request_again_gets_the_first_answer_also_when_the_permit_is_gone,
    organizations::validating_changes_nothing,
    nodes::workspaces_are_created_changed_and_deleted,
    nodes::an_etag_that_is_not_the_present_one_is_refused,
    nodes::workspaces_are_listed_where_the_actor_may_see_them_and_nothing_is_said_of_others,
    nodes::accounts_are_created_at_their_parent_paused_and_resumed,
    nodes::resources_keep_their_attributes_and_take_their_bindings_with_them,
    nodes::an_update_of_a_resource_is_not_decided_by_the_attributes_that_it_brings,
    nodes::a_ceiling_is_set_by_the_parent_and_unset_again,
    nodes::all_that_is_wrong_with_a_request_is_said_at_once,
    nodes::what_is_below_a_deleted_parent_cannot_be_created,
    nodes::names_are_paged_as_bytes,
    rosters::users_are_found_by_the_beginning_of_name_or_address_and_listed_in_every_order,
    rosters::a_list_refuses_what_it_does_not_offer,
    rosters::bindings_and_members_are_filtered,
    rosters::a_roster_follows_every_change_of_who_participates,
    rosters::a_roster_is_paged_searched_and_filtered,
    rosters::a_roster_says_when_anything_of_somebody_last_changed_and_what_they_are_called_now,
    rosters::a_roster_says_what_is_inherited_and_is_of_whom_may_see_it,
    rosters::a_roster_is_exported_as_csv,
    structure::an_account_moves_and_keeps_its_name_its_state_and_its_ceiling,
    structure::a_customer_moves_with_all_below_it_and_its_old_agency_loses_it,
    structure::an_organization_moves_only_where_it_can_be,
    structure::a_root_becomes_a_customer_and_may_need_other_roles_then,
    structure::an_owner_consents_before_the_organization_is_moved,
    structure::what_is_deleted_comes_back_by_who_may_create_it_and_give_what_is_held_there,
    structure::an_organization_that_lost_its_owner_while_deleted_comes_back_waiting_for_one,
    structure::a_purge_ends_what_hangs_on_an_organization_and_keeps_its_name,
    structure::a_purged_workspace_takes_what_is_in_it_along_and_nothing_else,
    structure::children_are_counted_before_anything_is_deleted,
    structure::the_kind_of_an_organization_is_decided_above_it,
}
