//! Random commands of many users against a small model of the rules, and against what each
//! client believes from replies and events alone.

mod belief;
mod check;
mod rules;
mod run;
mod steps;

use proptest::prelude::*;

use self::run::Run;
use self::steps::{Ask, Decision, SEATED, Step, USERS, a_step};
use super::*;

fn name(number: u8) -> UserId {
    user(&format!("u{number}"))
}

/// 400 runs, or more where `PROPTEST_CASES` says so.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(400),
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_commands_break_the_rules(
        steps in proptest::collection::vec(a_step(), 1..200)
    ) {
        let mut run = Run::new();
        for user in 0..USERS {
            run.step(Step::Login(user));
        }
        run.step(Step::Run(0, Ask::Create(SEATED, SeatMode::ApplyToTake)));
        run.step(Step::Run(3, Ask::Enter(2, false, Some(Role::Anchor))));
        run.step(Step::Operator(SEATED, Decision::CoHostAsk(2, 0)));
        run.step(Step::Operator(2, Decision::CoHostAnswer(SEATED, true)));
        for step in steps {
            run.step(step);
        }
    }
}
