//! What every store must do, as tests that a store runs on itself: see
//! [`store_conformance_tests`](crate::store_conformance_tests).
//!
//! One file a part of the contract, one function a behaviour. Each begins on an empty store of its own.

#![expect(clippy::unwrap_used, reason = "these are tests: they are to end where a store fails")]
#![expect(missing_docs, reason = "the name of a behaviour says it")]

pub mod attendance;
pub mod audit;
pub mod breakers;
pub mod census;
pub mod claims;
pub mod dead_letters;
pub mod effects;
pub mod erasure;
pub mod fleet;
pub mod incidents;
pub mod lifecycle;
pub mod lists;
pub mod lots;
pub mod members;
pub mod outbox;
pub mod pacing;
pub mod parcels;
pub mod points;
pub mod programmes;
pub mod pushes;
pub mod replays;
pub mod report;
pub mod retention;
pub mod returns;
pub mod rewards;
pub mod schedule;
pub mod stock;
pub mod tokens;
pub mod watch;
pub mod wishes;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use forebay_domain::programme::{CountMode, Programme, ProgrammeState, Reward, RewardKind, Rule, StockPlan};
use forebay_domain::settlement::{Answer, Ask};
use forebay_schemas::events::{CheckInRequested, ClaimRequested, OrderPaid, OrderRefunded};
use forebay_schemas::{Currency, Digest, MemberId, OrderId, ProgrammeId, RefundId, RewardId, RuleId};
use uuid::Uuid;

use crate::{Handled, Identity, OutboxRow, PAGE_MAX, RewardMessage, Store};

/// A store under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A store of its own for the calling test: migrated, empty, with the timing of `Timing::default()`. Called once
    /// a harness.
    async fn store(&self) -> Arc<dyn Store>;

    /// Every column of every table in which this text stands as a word of its own, as `table.column`, sorted. What
    /// the store holds is looked through, not what the contract tells of it.
    async fn mentions(&self, text: &str) -> Vec<String>;
}

/// Makes one test of each behaviour. The harness is an expression that makes a new [`Harness`]; attributes before
/// it are put on each test:
///
/// ```ignore
/// forebay_store::store_conformance_tests!(MyHarness::new());
/// forebay_store::store_conformance_tests!(#[ignore = "needs a server"] MyHarness::new());
/// ```
#[macro_export]
macro_rules! store_conformance_tests {
    ($(#[$attribute:meta])* $harness:expr) => {
        $crate::store_conformance_tests! { @all [$(#[$attribute])*] [$harness]
            attendance: [
                check_ins_are_listed_the_newest_day_first_page_by_page,
                check_ins_are_found_by_day_member_and_whether_they_count,
                a_voided_day_counts_nowhere_until_it_is_restored,
                a_voided_day_marks_the_claims_that_it_bore,
                a_member_is_told_how_far_they_have_come,
                a_programme_is_summed_up_in_figures,
                a_voided_day_of_an_erased_member_keeps_no_name,
            ]
            audit: [
                an_empty_store_adds_up_to_nothing,
                effects_are_listed_by_event_id_page_by_page,
                effects_of_one_event_id_are_each_listed,
                a_repeated_check_in_leaves_no_second_effect,
            ]
            breakers: [
                a_breaker_that_opens_lets_nobody_call_and_raises_an_incident,
                after_the_pause_one_worker_of_many_gets_the_probe,
                a_good_probe_closes_it_and_the_rate_comes_back,
                a_bad_probe_opens_it_for_longer,
                reports_of_workers_at_once_all_count,
                people_force_a_breaker_and_let_it_go,
                other_credentials_are_tried_at_once,
            ]
            census: [
                an_empty_store_counts_nothing,
                claims_stock_and_open_incidents_are_counted_by_their_words,
            ]
            claims: [
                a_granted_product_is_shipped_once_and_its_number_can_be_put_right,
                nothing_is_shipped_to_a_member_who_was_erased,
                a_claim_that_is_taken_back_gives_its_stock_back_and_its_member_may_claim_again,
                what_was_shipped_is_taken_back_only_by_who_may_and_what_is_lost_is_written_off,
                points_of_a_claim_that_is_taken_back_are_taken_back,
                people_who_take_a_claim_back_at_once_do_it_once,
                whoever_claims_ships_restocks_voids_and_takes_back_at_once_keeps_the_stock,
                claims_are_listed_page_by_page_by_where_they_stand,
                claims_that_wait_to_be_shipped_are_summed_up_by_reward,
                a_stock_is_changed_once_a_key,
                a_stock_is_set_only_by_who_has_seen_it_and_never_below_what_was_given_out,
                a_restock_ends_the_incident_and_the_next_crossing_is_told_again,
                a_history_is_read_page_by_page_with_claims_and_changes_in_their_order,
            ]
            dead_letters: [
                a_dead_letter_is_kept_whole,
                copies_of_a_message_are_one_dead_letter,
                a_letter_that_dies_again_is_the_same_with_a_history,
                each_group_that_grows_raises_its_incident,
                groups_are_counted_newest_first,
                each_condition_of_a_filter_holds,
                dead_letters_are_paged_newest_first,
                words_with_a_number_are_found_in_full_among_very_many,
                odd_text_of_a_dead_letter_does_not_hold_up_its_set,
                archivers_at_once_keep_each_dead_letter_once,
                what_is_discarded_is_told_with_who_and_why,
            ]
            effects: [
                an_intention_counts_the_earlier_ones,
                a_delivered_result_is_never_sent_again,
                a_repeated_delivery_changes_nothing,
                intentions_of_several_calls_are_answered_in_their_order,
                results_that_were_delivered_together_are_each_noted_once,
                workers_at_once_deliver_a_result_once,
                workers_at_once_see_each_others_intentions,
            ]
            erasure: [
                a_push_that_named_the_member_does_so_no_more,
                an_erased_member_is_nowhere_and_the_books_are_what_they_were,
                what_comes_later_about_an_erased_member_has_no_effect_and_leaves_no_trace,
                a_letter_of_an_erased_member_is_replayed_without_effect,
                erasing_again_and_erasing_a_stranger_change_nothing,
                an_id_of_letters_alone_is_found_where_errors_are_searched,
                a_member_who_is_erased_while_workers_settle_is_gone_all_the_same,
            ]
            fleet: [
                a_worker_is_listed_as_it_last_told_of_itself,
                a_worker_that_signs_off_or_is_long_silent_is_forgotten,
                an_order_to_drain_reaches_that_worker_and_stays,
                a_paused_queue_is_told_to_every_worker_until_it_is_resumed,
                a_pause_ends_at_its_time_and_one_of_the_same_queue_takes_its_place,
                people_who_pause_and_resume_at_once_are_each_told_the_truth,
                odd_text_of_an_order_is_kept,
            ]
            incidents: [
                a_raise_opens_an_incident_and_plans_its_telling,
                raises_of_one_fingerprint_are_one_incident,
                workers_at_once_open_one_incident,
                an_update_waits_for_its_distance_to_the_last_telling,
                a_telling_that_was_planned_meanwhile_stays,
                what_came_while_people_were_told_is_planned_when_that_is_noted,
                a_resolved_incident_is_told_only_to_those_who_heard_of_it,
                what_comes_back_is_a_new_incident,
                open_incidents_come_newest_first,
                who_takes_an_incident_on_is_kept_told_and_audited,
                a_snoozed_incident_is_told_at_the_end_of_the_silence,
                incidents_are_listed_page_by_page_open_or_over,
                what_follows_from_an_open_incident_is_kept_and_told_only_when_it_outlives_it,
                what_two_incidents_silence_is_told_after_the_end_of_both,
                a_telling_that_found_its_incident_silenced_is_planned_again_after_the_silence,
                a_silencer_that_ends_while_others_open_what_it_silences_leaves_nothing_untold,
                a_telling_is_noted_with_what_it_said_and_the_mails_that_follow,
                a_test_of_alerts_is_asked_for_audited_and_answered_once_the_sinks_did,
                what_comes_and_goes_stays_one_incident,
                of_one_rule_five_are_told_and_then_one_summary_counts_the_rest,
                odd_text_of_a_raise_is_kept,
            ]
            lifecycle: [
                migrations_are_repeatable_from_several_sides_at_once,
                a_closed_store_is_unavailable,
            ]
            lists: [
                returns_are_listed_page_by_page_those_registered_last_first,
                a_page_of_returns_stays_where_it_is_while_others_come,
                parcels_are_listed_page_by_page_with_the_last_checkpoint,
                lists_are_cut_to_the_page,
            ]
            members: [
                a_blocked_member_neither_checks_in_nor_claims,
                a_block_tells_since_when_and_why_and_stands_in_the_audit_log,
                a_blocked_member_who_is_erased_leaves_no_reason_behind,
            ]
            lots: [
                a_grant_is_a_lot_that_ends_with_a_day_of_its_programme,
                points_are_spent_the_next_to_end_first_and_all_or_none,
                a_spending_is_settled_once_whatever_message_carries_it,
                points_that_have_ended_can_not_be_spent_even_when_nobody_has_taken_them_yet,
                what_has_ended_is_taken_once_by_however_many_jobs,
                a_member_is_told_once_of_points_that_end_soon,
                a_refund_takes_of_its_own_order_first_and_notes_what_is_missing,
                what_ended_by_itself_is_not_taken_once_more_by_a_refund,
                points_whose_end_was_taken_back_are_taken_by_a_refund,
                a_spending_is_taken_back_once_and_its_lots_get_what_they_had,
                what_is_given_back_after_its_end_is_good_for_a_week,
                an_earning_that_is_taken_back_is_not_taken_once_more_by_refunds,
                a_refund_that_is_taken_back_can_come_again,
                points_of_a_claim_are_taken_back_with_the_claim_and_not_without_it,
                a_correction_is_made_once_a_key_and_never_below_nothing,
                a_members_ledger_is_read_page_by_page_the_newest_first,
                whoever_settles_spends_and_ends_at_once_keeps_the_books,
            ]
            outbox: [
                a_row_is_read_as_it_was_written,
                a_row_is_taken_once_until_its_lease_ends,
                rows_are_taken_when_they_are_due_and_oldest_first,
                a_published_row_is_gone,
                a_released_row_comes_again_at_its_time,
                two_relays_never_share_a_row,
                lag_counts_what_is_due,
                a_row_that_can_not_be_published_grows_older_however_often_it_is_tried,
                a_list_is_cut_to_the_page,
                a_relay_is_woken_or_waits_no_longer_than_it_said,
            ]
            pacing: [
                a_grant_is_the_one_of_the_domain,
                permits_asked_for_one_by_one_are_as_many_as_at_once,
                a_closed_gate_grants_nothing_and_charges_nothing,
                a_longer_closing_stays,
                a_rate_comes_back_step_by_step_after_a_pause,
                a_day_has_its_budget_and_people_have_their_share_of_it,
                a_new_day_has_a_budget_of_its_own,
                what_was_granted_and_not_used_is_given_back_to_its_day_alone,
                workers_at_once_keep_one_budget,
                a_rate_that_is_found_out_is_halved_once_by_many_who_are_told,
                limits_that_people_set_are_told_to_whoever_goes_by_others,
                workers_at_once_keep_one_quota,
                calls_under_way_are_bounded_over_the_fleet,
                a_process_that_is_busy_all_the_time_leaves_places_to_others,
                places_of_a_process_that_is_gone_come_free_when_its_lease_ends,
                workers_at_once_keep_one_bound_of_calls_under_way,
            ]
            parcels: [
                due_parcels_are_planned_oldest_first_in_batches,
                where_calls_are_scarce_who_can_wait_the_shortest_goes_first,
                what_is_due_is_counted_and_since_when,
                a_parcel_that_is_not_asked_about_any_more_says_why,
                what_a_carrier_expects_is_kept_until_it_says_otherwise,
                a_parcel_has_one_check_outstanding_until_its_lease_ends,
                an_answer_clears_the_outstanding_check,
                a_carriers_system_is_planned_for_by_itself,
                planners_at_once_take_each_parcel_once,
                a_state_that_is_entered_is_told_once,
                a_repeated_answer_is_told_from_a_reused_one,
                a_finished_parcel_is_never_due_again,
                checkpoints_are_read_as_they_were_learned,
                odd_text_of_a_carrier_does_not_hold_up_its_set,
                a_parcel_that_is_not_there_is_passed_over,
                workers_at_once_merge_each_answer_once,
            ]
            points: [
                a_granted_claim_for_points_is_booked_in_double_entry,
                a_paid_order_earns_once,
                refunds_take_back_in_proportion_and_cumulatively,
                an_order_and_its_refund_settle_in_one_set,
                ids_that_look_like_parts_of_each_other_are_facts_of_their_own,
                a_refund_before_its_order_leaves_no_trace_and_succeeds_later,
                a_repeat_of_what_is_not_yet_known_is_not_called_handled,
                concurrent_workers_book_each_order_and_refund_once,
                a_member_never_seen_has_nothing,
            ]
            programmes: [
                a_programme_is_read_as_it_was_put,
                putting_a_programme_again_changes_it_and_not_its_stock,
                a_reward_without_a_stock_gets_one_only_before_members_can_claim_it,
                zone_and_day_start_are_fixed_once_there_is_attendance,
                a_faulty_programme_is_refused_and_leaves_nothing,
                a_programme_is_changed_by_who_has_seen_what_is_there,
                a_dry_run_says_what_would_change_and_changes_nothing,
                changers_at_once_do_not_overwrite_each_other,
                of_those_who_make_a_programme_at_once_one_does,
                programmes_that_are_made_at_once_mean_the_same_by_a_reward,
                a_rule_keeps_what_it_has_otherwise_than_its_programme,
                what_members_have_of_a_programme_stays,
                a_reward_of_two_programmes_stays_one_reward,
                a_programmes_state_is_set_with_a_reason,
            ]
            pushes: [
                a_parcel_is_checked_now_unless_it_is_finished_or_unknown,
                what_has_been_due_for_longer_keeps_its_place,
                what_changes_while_a_check_is_under_way_is_looked_at_again,
                an_answer_that_is_older_than_a_push_moves_nothing,
                a_parcel_is_the_same_in_every_spelling,
                pushes_that_have_to_be_asked_for_are_asked_for_before_they_end,
                codes_without_a_meaning_are_counted_and_bounded,
                a_push_is_merged_like_an_answer_and_the_next_check_is_put_off,
                a_push_that_comes_again_has_no_second_effect,
                a_late_push_adds_what_happened_and_moves_nothing,
                a_push_of_a_parcel_that_is_not_followed_is_passed_over,
                a_parcel_of_which_something_changed_becomes_due,
                a_push_leaves_a_check_outstanding,
            ]
            replays: [
                a_replayed_letter_goes_back_byte_for_byte_with_a_fresh_past,
                a_letter_whose_message_had_its_effect_is_resolved,
                a_letter_that_dies_of_its_replay_is_open_again,
                a_canary_goes_first_and_a_replay_that_kills_it_stops,
                a_replay_of_which_too_many_die_stops_in_its_tracks,
                a_replay_keeps_its_pace_over_processes,
                steppers_at_once_send_each_letter_once,
                an_aborted_replay_leaves_the_rest_alone,
                a_replay_takes_what_its_filter_names_and_what_died_before_it,
                a_letter_without_a_way_back_is_passed_over,
                what_no_queue_took_is_a_new_letter_when_it_dies_further_on,
                a_letter_of_which_nothing_is_heard_is_opened_again,
                archivers_workers_and_steppers_at_once_keep_the_counts,
            ]
            report: [
                a_day_is_counted_from_its_first_instant_to_the_next_days,
                a_report_is_kept_as_it_was_first_made,
            ]
            retention: [
                the_inbox_forgets_what_is_old_and_nothing_else,
                the_effect_ledger_forgets_by_the_last_change,
                the_schedule_forgets_old_slots,
                an_open_incident_is_never_forgotten,
                dead_letters_are_kept_by_their_first_death_and_by_their_end,
                ended_replays_and_old_entries_are_forgotten,
            ]
            returns: [
                a_return_is_registered_with_its_parcel_due_at_once,
                a_repeated_request_is_told_from_a_reused_one,
                a_return_that_exists_only_gains_a_parcel,
                messages_of_a_set_may_name_one_return,
                returns_share_a_parcel_and_are_picked_up_with_it,
                a_return_of_a_picked_up_parcel_is_picked_up_at_once,
                a_result_is_there_once_the_return_is_picked_up,
                a_collected_page_moves_the_cursor_or_is_not_written,
                of_collectors_at_once_one_saves_its_page,
                workers_at_once_register_each_return_once,
                workers_at_once_register_a_parcel_once_however_its_number_is_spelt,
            ]
            rewards: [
                a_check_in_counts_once_a_day_in_the_programmes_zone,
                a_repeated_message_has_no_second_effect,
                a_reused_identity_is_told_from_a_repeat,
                of_one_identity_in_a_set_the_first_counts,
                one_id_from_two_sources_is_two_messages,
                a_claim_of_the_same_set_sees_the_check_in_before_it,
                a_claim_under_an_unknown_rule_or_programme_is_refused,
                a_claim_in_a_paused_programme_is_refused,
                a_claim_after_the_window_is_refused,
                a_claim_with_too_few_days_is_refused_and_a_later_one_granted,
                a_member_claims_no_more_often_than_the_rule_allows,
                a_claim_id_is_settled_once_whatever_message_carries_it,
                facts_of_a_set_are_in_the_outbox,
                concurrent_workers_settle_each_message_once,
                a_members_newest_claims_come_first,
                an_empty_set_is_settled,
            ]
            schedule: [
                a_job_fires_once_a_slot_however_many_try,
                the_next_slot_and_another_job_fire_too,
            ]
            stock: [
                stock_is_never_oversold_by_workers_with_overlapping_sets,
                low_and_out_of_stock_are_told_once_each,
                a_stock_that_begins_with_nothing_is_told_once_until_it_is_filled,
                a_stock_that_begins_at_its_threshold_is_told_as_low,
            ]
            tokens: [
                of_askers_at_once_one_is_to_fetch,
                a_token_that_was_kept_is_everybodys,
                a_token_that_grows_old_is_fetched_anew_by_one_and_used_by_all,
                a_token_that_is_over_is_nobodys,
                a_refused_token_is_dropped_once,
                who_does_not_bring_a_token_is_followed_by_the_next,
            ]
            watch: [
                a_process_is_known_by_what_it_said_last,
                a_sign_is_as_old_as_it_is_here_whatever_its_process_takes_the_time_for,
                a_task_is_known_by_when_it_was_last_done,
                open_incidents_are_found_by_their_rules,
                the_words_of_what_is_open_are_made_new_and_nothing_is_told,
                a_token_that_was_sought_and_not_brought_is_told_of,
            ]
            wishes: [
                a_result_is_sent_again_when_a_person_asks,
                a_collection_is_asked_for,
                a_person_has_a_parcel_checked_beside_the_plan,
                people_who_ask_at_once_have_one_check,
                a_result_is_overdue_when_nothing_of_it_is_left,
                a_call_is_read_as_it_stands_in_the_ledger,
            ]
        }
    };
    (@all $attributes:tt $harness:tt $($file:ident: $tests:tt)*) => {
        $( $crate::store_conformance_tests! { @file $attributes $harness $file $tests } )*
    };
    (@file $attributes:tt $harness:tt $file:ident [$($test:ident,)*]) => {
        mod $file {
            use super::*;
            $( $crate::store_conformance_tests! { @test $attributes $harness $file $test } )*
        }
    };
    (@test [$(#[$attribute:meta])*] [$harness:expr] $file:ident $test:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $test() {
            $crate::conformance::$file::$test(&$harness).await;
        }
    };
}

/// The text is in these bytes as a word of its own, not as a part of a longer one.
#[must_use]
pub fn stands_in(bytes: &[u8], text: &str) -> bool {
    let in_word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
    bytes.windows(text.len()).enumerate().any(|(at, window)| {
        window == text.as_bytes()
            && !in_word(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && !in_word(bytes.get(at + text.len()))
    })
}

/// Reads an instant.
///
/// # Panics
/// When the text is not RFC 3339.
#[must_use]
pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Reads a date.
///
/// # Panics
/// When the text is not a date.
#[must_use]
pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The moment at which the tests play: noon in Seoul on a day of [`programme`].
#[must_use]
pub fn now() -> DateTime<Utc> {
    at("2026-11-20T03:00:00Z")
}

/// [`now`] and so many seconds.
#[must_use]
pub fn later(seconds: u64) -> DateTime<Utc> {
    now() + Duration::from_secs(seconds)
}

/// A message's identity; the digest stands for its contents.
#[must_use]
pub fn identity(consumer: &'static str, id: &str, digest: u8) -> Identity {
    Identity { consumer, source: "/shops/main".into(), id: id.into(), digest: Digest([digest; 32]) }
}

/// A member by number.
#[must_use]
pub fn member(n: u32) -> MemberId {
    MemberId::new(format!("m-{n}")).unwrap()
}

/// A programme of November 2026 in Seoul: `one-day` earns one of 10 mugs (told at 2 left), `five-days` earns 5,000
/// points, paid orders earn 10 points for each 1,000.
#[must_use]
pub fn programme() -> Programme {
    Programme {
        id: ProgrammeId::new("autumn").unwrap(),
        name: "Autumn".into(),
        tz: chrono_tz::Asia::Seoul,
        day_start_min: 0,
        count_mode: CountMode::Total,
        grace_days: 0,
        starts_on: day("2026-11-01"),
        ends_on: day("2026-11-30"),
        claim_until: at("2026-12-15T00:00:00Z"),
        state: ProgrammeState::Active,
        points_per_1000_minor: 10,
        points_valid_days: None,
        active_until: None,
        rules: vec![
            Rule::new(RuleId::new("one-day").unwrap(), mug(10, 2), 1),
            Rule::new(
                RuleId::new("five-days").unwrap(),
                Reward {
                    id: RewardId::new("points-5000").unwrap(),
                    name: "5,000 points".into(),
                    kind: RewardKind::Points { points: 5000 },
                    stock: None,
                },
                5,
            ),
        ],
    }
}

/// The reward `mug` with so many in stock.
#[must_use]
pub fn mug(total: i64, low_at: i64) -> Reward {
    Reward {
        id: RewardId::new("mug").unwrap(),
        name: "A mug".into(),
        kind: RewardKind::Product { sku: "MUG-1".into() },
        stock: Some(StockPlan { total, low_at }),
    }
}

/// [`programme`] with so many mugs.
#[must_use]
pub fn programme_with_mugs(total: i64, low_at: i64) -> Programme {
    let mut programme = programme();
    programme.rules[0].reward = mug(total, low_at);
    programme
}

/// A check-in of a member, received then; its event id is `id`.
#[must_use]
pub fn check_in(id: &str, n: u32, received_at: DateTime<Utc>) -> RewardMessage {
    let ask = CheckInRequested { programme_id: programme().id, member_id: member(n) };
    RewardMessage { identity: identity("rewards", id, 1), ask: Ask::CheckIn(ask, received_at) }
}

/// A claim of a member under a rule, received [`now`]; its event id is `claim-<claim>`.
#[must_use]
pub fn claim(claim: u128, n: u32, rule: &str) -> RewardMessage {
    let ask = ClaimRequested {
        claim_id: Uuid::from_u128(claim),
        programme_id: programme().id,
        rule_id: RuleId::new(rule).unwrap(),
        member_id: member(n),
    };
    let identity = identity("rewards", &format!("claim-{claim}"), 1);
    RewardMessage { identity, ask: Ask::Claim(ask, now()) }
}

/// A paid order of a member; its event id is `paid-<order>`.
#[must_use]
pub fn paid(order: &str, n: Option<u32>, amount_minor: i64) -> RewardMessage {
    let ask = OrderPaid {
        order_id: OrderId::new(order).unwrap(),
        member_id: n.map(member),
        currency: Currency::new("KRW").unwrap(),
        amount_minor,
        paid_at: now(),
    };
    RewardMessage { identity: identity("rewards", &format!("paid-{order}"), 1), ask: Ask::Paid(ask) }
}

/// A refund of an order; its event id is `refund-<order>-<refund>`.
#[must_use]
pub fn refunded(order: &str, refund: &str, cumulative_refunded_minor: i64) -> RewardMessage {
    let ask = OrderRefunded {
        order_id: OrderId::new(order).unwrap(),
        refund_id: RefundId::new(refund).unwrap(),
        currency: Currency::new("KRW").unwrap(),
        cumulative_refunded_minor,
        refunded_at: now(),
    };
    let identity = identity("rewards", &format!("refund-{order}-{refund}"), 1);
    RewardMessage { identity, ask: Ask::Refunded(ask) }
}

/// Settles [`now`], and gives what became of each message.
pub async fn settle(store: &dyn Store, messages: Vec<RewardMessage>) -> Vec<(Handled, Option<Answer>)> {
    let count = messages.len();
    let settled = store.settle_rewards(messages, now()).await.unwrap();
    assert_eq!((settled.handled.len(), settled.answers.len()), (count, count));
    settled.handled.into_iter().zip(settled.answers).collect()
}

/// Takes every row that is due by then out of the outbox.
pub async fn drain(store: &dyn Store, due_by: DateTime<Utc>) -> Vec<OutboxRow> {
    let mut all = Vec::new();
    loop {
        let rows = store.outbox_take(PAGE_MAX, Duration::from_secs(60), due_by).await.unwrap();
        if rows.is_empty() {
            return all;
        }
        store.outbox_published(&rows.iter().map(|row| row.id).collect::<Vec<_>>()).await.unwrap();
        all.extend(rows);
    }
}
