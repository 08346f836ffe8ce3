//! The suite that every back end runs in its own tests: one function a rule.
//!
//! A back end writes a [`Harness`] and calls [`conformance_tests!`](crate::conformance_tests), which makes each rule
//! a test of its own:
//!
//! ```ignore
//! forebay_queue::conformance_tests!(MyHarness::fresh().await);
//! ```
//!
//! The expression is evaluated once a test and must give storage of its own each time, since the queues' names are
//! fixed. No rule waits for a tier longer than the one of 5 seconds, and only three wait for that.

pub mod delaying;
pub mod keeping;
pub mod publishing;
pub mod receiving;
pub mod scene;
pub mod settling;
pub mod topology;

use std::sync::Arc;

use async_trait::async_trait;

use crate::broker::Broker;

/// What the suite needs of a back end: storage that one test has to itself.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A broker on this test's storage. The first call finds it empty: nothing is declared. Later calls, after the
    /// broker before was closed or dropped, find what is stored, as a process does that starts again. The topology
    /// is [`scene::topology`].
    async fn broker(&self) -> Arc<dyn Broker>;

    /// Removes this test's storage. Not called when the test failed.
    async fn finish(&self) {}
}

/// Makes a `#[tokio::test]` of every rule of the suite. The argument is an expression that makes a
/// [`Harness`](crate::conformance::Harness); it may `await`.
#[macro_export]
macro_rules! conformance_tests {
    (@rules ($harness:expr) $($group:ident: $rule:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                let harness = $harness;
                $crate::conformance::$group::$rule(&harness).await;
                $crate::conformance::Harness::finish(&harness).await;
            }
        )+
    };
    ($harness:expr) => {
        $crate::conformance_tests! { @rules ($harness)
            publishing: a_confirmed_message_is_delivered_byte_for_byte;
            publishing: odd_bodies_survive;
            publishing: a_large_batch_is_stored_whole;
            publishing: an_empty_batch_has_no_results;
            publishing: an_event_goes_to_the_queue_bound_for_its_type;
            publishing: an_event_that_no_queue_is_bound_for_lands_in_unrouted;
            publishing: a_members_command_can_not_come_in_as_an_event;
            publishing: a_fact_without_a_listener_is_confirmed_and_gone;
            publishing: a_members_command_reaches_its_work_queue;
            publishing: what_does_not_fit_fails_alone;
            publishing: a_queue_that_is_not_there_fails_its_messages_alone;
            publishing: results_of_concurrent_publishes_are_never_mixed_up;
            receiving: receive_returns_as_soon_as_enough_is_there;
            receiving: receive_returns_when_the_linger_is_over;
            receiving: a_waiting_receive_is_woken_by_a_publish;
            receiving: a_dropped_receive_forgets_nothing;
            receiving: no_more_is_held_than_the_prefetch_allows;
            receiving: consumers_that_share_a_queue_share_its_messages;
            receiving: a_paused_consumer_gets_nothing_new_and_settles_what_it_holds;
            receiving: closing_a_consumer_ends_its_receive;
            receiving: what_was_never_received_comes_again_after_close;
            receiving: what_was_received_can_be_settled_after_close;
            settling: an_acknowledged_message_never_comes_again;
            settling: what_a_dropped_consumer_held_comes_again;
            settling: a_returned_message_comes_again_untouched;
            settling: a_dead_letter_lands_among_the_dead_with_its_bytes;
            settling: a_delivery_is_settled_once;
            settling: a_foreign_receipt_is_lost_and_harmless;
            settling: a_receipt_of_an_earlier_delivery_is_lost_and_harmless;
            settling: many_tasks_settle_at_once;
            delaying: a_delayed_copy_comes_back_after_its_tier_and_not_behind_a_longer_one;
            delaying: a_message_published_into_a_tier_comes_out_in_its_queue;
            delaying: what_a_paused_consumer_never_received_is_put_off_without_a_count;
            keeping: what_was_confirmed_is_there_after_a_restart;
            keeping: what_was_held_at_a_restart_comes_again;
            keeping: closing_the_broker_ends_everything_cleanly;
            topology: undeclared_queues_are_reported_with_the_way_to_mend_them;
            topology: declaring_again_changes_nothing;
            topology: the_plan_names_every_queue;
            topology: depth_counts_what_waits_and_what_is_held;
            topology: depth_of_a_tier_counts_what_waits_in_it;
        }
    };
}
