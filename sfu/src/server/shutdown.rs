//! The way down: named steps in order, each with its limit, all within a deadline.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Steps that are carried out one after the other, whatever hangs.
pub struct Shutdown {
    deadline: Duration,
    steps: Vec<Step>,
}

struct Step {
    name: &'static str,
    limit: Duration,
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// What became of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepReport {
    /// The step.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// By itself.
    Done,
    /// It reached its limit, or the deadline of all.
    CutOff,
    /// It panicked.
    Failed,
}

impl Shutdown {
    /// No steps, all of which have to end within `deadline`.
    pub fn new(deadline: Duration) -> Self {
        Self {
            deadline,
            steps: Vec::new(),
        }
    }

    /// Adds a step after those that there are.
    #[must_use]
    pub fn then(
        mut self,
        name: &'static str,
        limit: Duration,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.steps.push(Step {
            name,
            limit,
            work: Box::pin(work),
        });
        self
    }

    /// Has a look taken after each step, as a step of its own.
    #[cfg(test)]
    pub(super) fn with_looks<F>(mut self, look: impl Fn(&'static str) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for step in std::mem::take(&mut self.steps) {
            let look = look(step.name);
            self.steps.push(step);
            self = self.then("look", Duration::MAX, look);
        }
        self
    }

    /// Carries out all steps. A step that hangs or panics does not keep the next
    /// from running. What is left at the deadline is the process's end to do.
    pub async fn run(self) -> Vec<StepReport> {
        let end = Instant::now() + self.deadline;
        let mut reports = Vec::with_capacity(self.steps.len());
        for Step { name, limit, work } in self.steps {
            let started = Instant::now();
            let limit = limit.min(end.saturating_duration_since(started));
            let mut task = tokio::spawn(work);
            let outcome = match timeout(limit, &mut task).await {
                Ok(Ok(())) => Outcome::Done,
                Ok(Err(_)) => Outcome::Failed,
                Err(_) => {
                    task.abort();
                    Outcome::CutOff
                }
            };
            let took = started.elapsed();
            if outcome == Outcome::Done {
                tracing::debug!(step = name, ?took, "shutdown step");
            } else {
                tracing::warn!(
                    step = name,
                    ?outcome,
                    ?took,
                    "shutdown step did not end well"
                );
            }
            reports.push(StepReport {
                name,
                outcome,
                took,
            });
        }
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::sync::{Arc, Mutex};

    const SECOND: Duration = Duration::from_secs(1);

    fn outcomes(reports: &[StepReport]) -> Vec<(&'static str, Outcome)> {
        reports
            .iter()
            .map(|report| (report.name, report.outcome))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn steps_run_in_order_and_none_before_the_last_has_ended() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let step = |name: &'static str, ms| {
            let log = Arc::clone(&log);
            async move {
                log.lock().unwrap().push((name, "begins"));
                tokio::time::sleep(Duration::from_millis(ms)).await;
                log.lock().unwrap().push((name, "ends"));
            }
        };
        let (a, b) = (step("a", 500), step("b", 1));
        Shutdown::new(4 * SECOND)
            .then("a", SECOND, a)
            .then("b", SECOND, b)
            .run()
            .await;
        assert_eq!(
            *log.lock().unwrap(),
            [
                ("a", "begins"),
                ("a", "ends"),
                ("b", "begins"),
                ("b", "ends")
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_hangs_is_cut_off_and_the_next_runs() {
        let reports = Shutdown::new(4 * SECOND)
            .then("hangs", SECOND, pending())
            .then("runs", SECOND, async {})
            .run()
            .await;
        assert_eq!(
            outcomes(&reports),
            [("hangs", Outcome::CutOff), ("runs", Outcome::Done)]
        );
        assert_eq!(reports[0].took, SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn all_steps_that_hang_end_at_the_deadline() {
        let started = Instant::now();
        let mut shutdown = Shutdown::new(4 * SECOND);
        for _ in 0..10 {
            shutdown = shutdown.then("hangs", SECOND, pending());
        }
        assert_eq!(shutdown.run().await.len(), 10);
        assert!(started.elapsed() < 4 * SECOND + Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_panics_is_reported_and_the_next_runs() {
        let reports = Shutdown::new(4 * SECOND)
            .then("panics", SECOND, async { panic!("as the test wants") })
            .then("runs", SECOND, async {})
            .run()
            .await;
        assert_eq!(
            outcomes(&reports),
            [("panics", Outcome::Failed), ("runs", Outcome::Done)]
        );
    }
}
