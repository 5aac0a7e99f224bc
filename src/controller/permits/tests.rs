use super::*;

const ONE: Limits = Limits {
    concurrency: 1,
    share: 1,
    spacing: Duration::ZERO,
};

fn names() -> (Arc<str>, Arc<str>, Arc<str>) {
    ("provider".into(), "a".into(), "b".into())
}

#[tokio::test(start_paused = true)]
async fn namespaces_take_turns() {
    let (provider, a, b) = names();
    let permits = Permits::default();
    let first = permits.acquire(&provider, &a, ONE).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (namespace, count) in [(&a, 3), (&b, 1)] {
        for _ in 0..count {
            let (permits, provider, namespace, order) =
                (permits.clone(), provider.clone(), namespace.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _permit = permits.acquire(&provider, &namespace, ONE).await;
                order.lock().unwrap().push(namespace.to_string());
            }));
            tokio::task::yield_now().await;
        }
    }
    drop(first);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["a", "b", "a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_no_more_than_its_share() {
    let (provider, a, b) = names();
    let permits = Permits::default();
    let limits = Limits {
        concurrency: 4,
        share: 2,
        spacing: Duration::ZERO,
    };
    let soon = async |namespace: &Arc<str>| {
        let permit = permits.acquire(&provider, namespace, limits);
        tokio::time::timeout(Duration::from_millis(1), permit).await.ok()
    };
    let held = [soon(&a).await, soon(&a).await];
    assert!(held.iter().all(Option::is_some));
    let third = soon(&a).await;
    assert!(third.is_some(), "nobody else is there");
    let other = soon(&b).await;
    assert!(other.is_some(), "room is left for the other one");
    drop(third);
    assert!(soon(&a).await.is_none(), "a third of one namespace");
    tokio::time::advance(LATELY).await;
    assert!(soon(&a).await.is_some(), "the other one has not called for a while");
    drop((held, other));
    drop(soon(&a).await);
    assert!(permits.lock().is_empty(), "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_leaves_loses_no_permit() {
    let (provider, a, b) = names();
    let permits = Permits::default();
    let first = permits.acquire(&provider, &a, ONE).await;
    let waits = permits.acquire(&provider, &b, ONE);
    tokio::pin!(waits);
    assert!(futures::poll!(&mut waits).is_pending());
    assert_eq!(permits.counts(), (1, 1));
    let second = tokio::time::timeout(Duration::from_millis(1), permits.acquire(&provider, &a, ONE)).await;
    assert!(second.is_err());
    drop(first);
    drop(waits.await);
    assert!(permits.lock().is_empty(), "an idle provider costs nothing");
}

#[tokio::test(start_paused = true)]
async fn t153_whoever_has_other_work_waits_no_longer_than_it_says_and_takes_nothing_from_others() {
    let (provider, a, b) = names();
    let permits = Permits::default();
    let soon = async |limits| {
        let longest = Duration::from_secs(5);
        permits.enqueue(&provider, &a, limits).wait_within(longest).await
    };
    let held = permits.acquire(&provider, &b, ONE).await;
    let begun = Instant::now();
    assert!(soon(ONE).await.is_none());
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    drop(held);
    drop(soon(ONE).await.unwrap());
    let slow = Limits {
        spacing: Duration::from_mins(1),
        ..ONE
    };
    drop(soon(slow).await.unwrap());
    let begun = Instant::now();
    for _ in 0..3 {
        assert!(soon(slow).await.is_none(), "the rate allows no call so soon");
    }
    drop(permits.acquire(&provider, &b, slow).await);
    assert_eq!(begun.elapsed(), Duration::from_mins(1), "no call was begun meanwhile");
    assert_eq!(permits.lock().values().map(|lane| lane.in_use).sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_begin_no_faster_than_the_rate() {
    let (provider, a, _) = names();
    let permits = Permits::default();
    let limits = Limits {
        concurrency: 8,
        share: 8,
        spacing: Duration::from_secs(2),
    };
    let start = Instant::now();
    for _ in 0..3 {
        drop(permits.acquire(&provider, &a, limits).await);
    }
    assert_eq!(start.elapsed().as_secs(), 4);
}

const SLOW: Limits = Limits {
    concurrency: 8,
    share: 8,
    spacing: Duration::from_mins(3),
};

#[tokio::test(start_paused = true)]
async fn t254_namespaces_take_turns_at_a_low_rate_and_whoever_left_costs_no_call() {
    let (provider, a, b) = names();
    let permits = Permits::default();
    drop(permits.acquire(&provider, &a, SLOW).await);
    let mut of_a: Vec<_> = (0..1000).map(|_| permits.enqueue(&provider, &a, SLOW)).collect();
    let last = of_a.pop().unwrap();
    let first = of_a.swap_remove(0);
    drop(of_a);
    let of_b = permits.enqueue(&provider, &b, SLOW);
    assert_eq!(permits.counts(), (0, 3));
    let begun = Instant::now();
    for (turn, minutes) in [(first, 3), (of_b, 6), (last, 9)] {
        assert!(turn.wait_within(SLOW.spacing * 2).await.is_some());
        assert_eq!(begun.elapsed().as_secs(), minutes * 60);
    }
}

#[tokio::test(start_paused = true)]
async fn t256_a_limit_that_is_raised_counts_for_those_that_wait() {
    let (provider, a, _) = names();
    let permits = Permits::default();
    drop(permits.acquire(&provider, &a, SLOW).await);
    let turn = permits.enqueue(&provider, &a, SLOW);
    assert!(turn.wait_within(Duration::from_mins(1)).await.is_none());
    let begun = Instant::now();
    let spacing = Duration::from_secs(70);
    permits.rebound(&provider, Limits { spacing, ..SLOW });
    drop(turn.wait().await);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn t256_a_waiter_that_does_something_else_is_called_when_its_permit_comes() {
    let (provider, a, _) = names();
    let permits = Permits::default();
    let (sender, mut called) = tokio::sync::mpsc::unbounded_channel();
    let calls = || Calls {
        key: crate::cluster::Key::new("a", "app"),
        sender: sender.clone(),
    };
    let at_once = permits.enqueue(&provider, &a, SLOW);
    drop(at_once.or_call(calls()).expect("it has come already"));
    let turn = permits.enqueue(&provider, &a, SLOW);
    assert!(turn.or_call(calls()).is_none());
    assert_eq!(
        tokio::time::timeout(Duration::from_mins(99), called.recv())
            .await
            .unwrap()
            .unwrap()
            .to_string(),
        "a/app"
    );
    assert_eq!(permits.counts(), (1, 0));
    drop(turn);
    assert_eq!(permits.counts(), (0, 0), "a permit that nobody took is free again");
}

#[tokio::test(start_paused = true)]
async fn t362_the_end_of_a_wait_for_the_rate_is_known() {
    let (provider, a, b) = names();
    let permits = Permits::default();
    let minutes = |turn: &Turn, namespace| permits.until_turn(turn, namespace).map(|wait| wait.as_secs() / 60);
    let held = permits.acquire(&provider, &a, ONE).await;
    let crowded = permits.enqueue(&provider, &a, ONE);
    assert_eq!(minutes(&crowded, &a), None, "no rate makes it wait");
    drop((held, crowded));
    drop(permits.acquire(&provider, &a, SLOW).await);
    let of_a: Vec<_> = (0..4).map(|_| permits.enqueue(&provider, &a, SLOW)).collect();
    let of_b: Vec<_> = (0..2).map(|_| permits.enqueue(&provider, &b, SLOW)).collect();
    let told = |turns: &[Arc<Turn>], namespace| turns.iter().map(|turn| minutes(turn, namespace)).collect::<Vec<_>>();
    let expected = [[3, 9, 15, 18].map(Some).to_vec(), [6, 12].map(Some).to_vec()];
    assert_eq!([told(&of_a, &a), told(&of_b, &b)], expected);
    let begun = Instant::now();
    for (turn, minutes) in of_a.iter().zip([3, 9, 15, 18]) {
        drop(turn.wait().await);
        assert_eq!(begun.elapsed().as_secs(), minutes * 60);
    }
    assert_eq!(minutes(&of_a[0], &a), None, "it has come");
}

#[tokio::test(start_paused = true)]
async fn t361_whoever_does_something_else_is_called_although_the_permit_came_before() {
    let (provider, a, _) = names();
    let permits = Permits::default();
    let (sender, mut called) = tokio::sync::mpsc::unbounded_channel();
    let turn = permits.enqueue(&provider, &a, SLOW);
    assert!(turn.has_come());
    let key = crate::cluster::Key::new("", "provider");
    turn.call(Calls { key, sender });
    assert_eq!(called.recv().await.unwrap().to_string(), "/provider");
    assert!(turn.take().is_some() && !turn.has_come());
}

#[tokio::test(start_paused = true)]
async fn a_rate_above_the_resolution_of_timers_is_kept() {
    let (provider, a, _) = names();
    let permits = Permits::default();
    let limits = Limits {
        spacing: Duration::from_micros(600),
        ..SLOW
    };
    let begun = Instant::now();
    let turns: Vec<_> = (0..10_000).map(|_| permits.enqueue(&provider, &a, limits)).collect();
    for turn in turns {
        drop(turn.wait().await);
    }
    let took = begun.elapsed().as_millis();
    assert!((5_990..6_100).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn t254_a_further_call_of_a_pass_is_not_counted_by_the_rate_but_needs_room() {
    let (provider, a, b) = names();
    let permits = Permits::default();
    let narrow = Limits { concurrency: 1, ..SLOW };
    let first = permits.acquire(&provider, &a, narrow).await;
    let waiting = permits.enqueue(&provider, &b, narrow);
    let further = permits.acquire_further(&provider, &a, narrow);
    tokio::pin!(further);
    assert!(futures::poll!(&mut further).is_pending());
    assert_eq!(permits.counts(), (1, 2));
    let begun = Instant::now();
    drop(first);
    drop(further.await);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(waiting.wait().await);
    assert_eq!(begun.elapsed(), SLOW.spacing, "the further call delays nobody");
}
