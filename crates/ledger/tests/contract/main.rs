//! What a ledger promises, tried on both stores. A store is added by one line below.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of this is test code, also what is not a test itself"
)]

mod faults;
mod feed;
mod follower;
mod permits;
mod retention;
mod store;
mod writes;

/// Every promise, once.
macro_rules! store_contract {
    ($store:ident) => {
        store_contract! { $store:
            writes::a_write_is_in_the_database_with_its_record_its_stamp_and_its_audit_entry,
            writes::the_trail_is_read_by_owner_node_resource_actor_action_and_time,
            writes::a_write_that_is_dropped_leaves_nothing,
            writes::writes_that_are_given_up_at_any_moment_leave_nothing_behind_and_block_nobody,
            writes::a_write_with_a_failed_statement_cannot_be_committed_and_leaves_nothing,
            writes::validating_gives_the_head_and_leaves_nothing,
            writes::the_same_request_fifty_times_at_once_is_one_change,
            writes::the_same_request_id_with_another_body_is_refused_and_of_another_actor_is_another_request,
            writes::a_large_commit_comes_in_parts_and_a_record_beyond_a_part_is_refused,
            writes::the_last_record_of_a_key_counts,
            writes::a_unique_violation_is_told_from_other_failures,
            writes::services_migrate_tables_of_their_own,
            permits::a_tree_that_changed_after_the_permit_makes_it_renew,
            permits::a_permit_that_is_not_renewed_ends_the_write,
            permits::a_permit_that_has_lapsed_is_renewed,
            permits::a_permit_that_comes_to_rest_on_another_tree_starts_over,
            permits::a_permit_that_is_never_current_ends_busy,
            permits::a_hundred_writers_on_one_tree_all_end_with_permits_from_a_follower_of_the_feed,
            permits::writers_of_each_others_trees_do_not_block_for_ever,
            feed::no_change_is_lost_reordered_duplicated_or_torn,
            feed::a_snapshot_and_the_log_after_it_are_the_state_while_writers_run,
            feed::a_watch_resumes_from_wherever_it_ended,
            feed::a_slow_watcher_misses_nothing,
            feed::cursors_at_the_edges,
            feed::bookmarks_come_when_idle_and_are_true,
            feed::a_new_epoch_ends_every_watch_and_refuses_older_cursors,
            feed::a_rewritten_history_is_noticed,
            feed::streams_end_with_the_drain,
            retention::what_is_old_is_forgotten_and_what_is_kept_can_be_watched,
            retention::the_audit_trail_is_kept_for_a_time_of_its_own,
            retention::an_answer_within_the_retention_is_kept,
        }
    };
    ($store:ident: $($module:ident::$name:ident,)*) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $name() {
                    let store = crate::store::TestStore::$store().await;
                    crate::$module::$name(&store).await;
                    store.remove().await;
                }
            )*
        }
    };
}

store_contract!(sqlite);
store_contract!(postgres);
