//! The last answers of a session, for a client that has lost some of them with its socket.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Requests of a session by their ids, with the answers to the last of them. A client that asks
/// again under the same id gets the same answer, and nothing is done twice.
#[derive(Debug)]
pub(super) struct Answers {
    /// In the order in which they came.
    known: VecDeque<Known>,
    /// Of the answers that are kept.
    bytes: usize,
    max_requests: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Known {
    id: u32,
    question: Question,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// Not yet.
    Open,
    Kept(Arc<str>),
    /// Given, and not kept any more.
    Gone,
}

/// Stands for the text of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question(u64);

impl Question {
    pub(super) fn new(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What is known of a request when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing: it is to be carried out.
    First,
    /// It is being carried out; its answer is yet to come.
    Open,
    /// This was its answer.
    Answered(Arc<str>),
    /// It was answered; the answer is not kept any more.
    Gone,
    /// Another request had this id.
    Other,
}

impl Answers {
    /// Knows the last `max_requests` requests, which must be more than are open at the same time,
    /// and keeps `max_bytes` of their answers, but always the newest one.
    pub(super) fn new(max_requests: usize, max_bytes: usize) -> Self {
        Self {
            known: VecDeque::new(),
            bytes: 0,
            max_requests,
            max_bytes,
        }
    }

    /// A request has come. One that is the first under its id is open from now on.
    pub(super) fn ask(&mut self, id: u32, question: Question) -> Asked {
        if let Some(known) = self.known.iter().rev().find(|known| known.id == id) {
            return match &known.answer {
                _ if known.question != question => Asked::Other,
                Answer::Open => Asked::Open,
                Answer::Kept(text) => Asked::Answered(Arc::clone(text)),
                Answer::Gone => Asked::Gone,
            };
        }
        self.known.push_back(Known {
            id,
            question,
            answer: Answer::Open,
        });
        if self.known.len() > self.max_requests {
            let is_done = |known: &Known| !matches!(known.answer, Answer::Open);
            let oldest = self.known.iter().position(is_done);
            if let Some(Known {
                answer: Answer::Kept(text),
                ..
            }) = oldest.and_then(|at| self.known.remove(at))
            {
                self.bytes -= text.len();
            }
        }
        Asked::First
    }

    /// An open request is answered; others have not been asked for to be kept.
    pub(super) fn answer(&mut self, id: u32, text: &Arc<str>) {
        let is_it = |known: &&mut Known| known.id == id && matches!(known.answer, Answer::Open);
        let Some(known) = self.known.iter_mut().rev().find(is_it) else {
            return;
        };
        known.answer = Answer::Kept(Arc::clone(text));
        self.bytes += text.len();
        for known in &mut self.known {
            if self.bytes <= self.max_bytes {
                break;
            }
            if known.id != id
                && let Answer::Kept(text) = &known.answer
            {
                self.bytes -= text.len();
                known.answer = Answer::Gone;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: u32) -> Question {
        Question::new(&format!("question {id}"))
    }

    fn ask(answers: &mut Answers, id: u32) -> Asked {
        answers.ask(id, question(id))
    }

    fn answered(bytes: usize) -> (Asked, Arc<str>) {
        let text: Arc<str> = "x".repeat(bytes).into();
        (Asked::Answered(Arc::clone(&text)), text)
    }

    #[test]
    fn a_request_is_first_then_open_then_answered() {
        let mut answers = Answers::new(10, 100);
        assert_eq!(ask(&mut answers, 7), Asked::First);
        assert_eq!(ask(&mut answers, 7), Asked::Open);
        let (same, text) = answered(10);
        answers.answer(7, &text);
        assert_eq!(ask(&mut answers, 7), same);
        assert_eq!(ask(&mut answers, 7), same);
        assert_eq!(answers.ask(7, question(8)), Asked::Other);
        answers.answer(8, &text);
        assert_eq!(ask(&mut answers, 8), Asked::First, "it was never asked");
    }

    #[test]
    fn answers_that_are_not_kept_are_known_to_be_given() {
        let mut answers = Answers::new(10, 100);
        let (small, text) = answered(40);
        for id in 1..=3 {
            assert_eq!(ask(&mut answers, id), Asked::First);
            answers.answer(id, &text);
        }
        assert_eq!(ask(&mut answers, 1), Asked::Gone);
        assert_eq!(ask(&mut answers, 2), small);
        let (large, text) = answered(1_000);
        ask(&mut answers, 4);
        answers.answer(4, &text);
        assert_eq!(ask(&mut answers, 4), large, "the newest is always kept");
        assert_eq!(ask(&mut answers, 3), Asked::Gone);
        assert_eq!(answers.bytes, 1_000);
    }

    #[test]
    fn the_number_of_requests_is_bounded_and_open_ones_stay() {
        let mut answers = Answers::new(3, 1_000);
        let (same, text) = answered(10);
        ask(&mut answers, 0);
        for id in 1..=100 {
            ask(&mut answers, id);
            answers.answer(id, &text);
            assert!(answers.known.len() <= 3);
        }
        assert_eq!(answers.bytes, 20);
        assert_eq!(ask(&mut answers, 0), Asked::Open);
        assert_eq!(ask(&mut answers, 99), same);
        assert_eq!(ask(&mut answers, 98), Asked::First, "long forgotten");
    }
}
