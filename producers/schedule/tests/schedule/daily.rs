//! The report of the day before: once, whoever makes it, and the same for whoever asks later.

use super::*;

fn reporting(scene: &Scene) -> Jobs {
    scene.jobs().reporting(NaiveTime::from_hms_opt(8, 0, 0).unwrap(), vec![])
}

#[tokio::test]
async fn the_day_before_is_reported_once_over_two_processes_and_after_a_restart() {
    // Half past nine in Seoul, the 21st: the report is late, and made all the same.
    let scene = Scene::new().await;
    scene.store.put_programme(&programme("autumn", chrono_tz::Asia::Seoul, 10), scene.now()).await.unwrap();
    let set = vec![conformance::check_in("c", 1, conformance::now())];
    scene.store.settle_rewards(set, scene.now()).await.unwrap();
    let day = "2026-11-20".parse().unwrap();
    let counter = |result| scene.metrics.schedule_firings.with_label_values(&["daily-report", result]);
    let reports = async || {
        let open = scene.store.list_incidents(&Default::default(), None, 100).await.unwrap();
        open.into_iter().filter(|incident| incident.raise.rule == "daily_report").collect::<Vec<_>>()
    };
    side_by_side!([reporting(&scene), reporting(&scene)], async { counter("fired").get() == 1 });
    side_by_side!([reporting(&scene)], async {
        scene.store.fired("daily-report", "2026-11-21").await.unwrap()
    });
    let told = reports().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].raise.title, "The day 2026-11-20");
    assert!(told[0].resolved_at.is_some() && told[0].raise.count == 1, "told once, and over");
    let kept = scene.store.report(day).await.unwrap().unwrap();
    assert_eq!(kept.stock.len(), 1);
    assert_eq!(
        told[0].raise.impact,
        forebay_domain::report::lines(day, &kept, Some(&Default::default())).join("\n")
    );

    scene.clock.advance(DAY);
    side_by_side!([reporting(&scene), reporting(&scene)], async { counter("fired").get() == 2 });
    assert_eq!(reports().await.len(), 2, "the next day: nothing came any more");
    scene.clock.advance(DAY);
    side_by_side!([reporting(&scene)], async { counter("fired").get() == 3 });
    assert_eq!(reports().await.len(), 2, "nothing on either day: it is only noted");
}
