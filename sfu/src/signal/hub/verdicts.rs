//! The order of one sender's messages while the app's back end is asked about them.

use std::collections::{HashMap, VecDeque};

use super::io::Ticket;
use crate::live::{RoomKey, UserId};
use crate::webhook::Verdict;

/// Questions about messages that are not carried out yet: of one sender in one room in the order
/// in which they were asked, whichever answer comes first. Nobody else waits for them.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    senders: HashMap<Ticket, Sender>,
    asked: HashMap<Sender, VecDeque<(Ticket, Option<Verdict>)>>,
}

type Sender = (RoomKey, UserId);

impl Verdicts {
    /// A question is asked. It ends by [`Self::answered`] or [`Self::forget`].
    pub(super) fn asked(&mut self, ticket: Ticket, key: RoomKey, user: UserId) {
        let sender = (key, user);
        self.senders.insert(ticket, sender.clone());
        let asked = self.asked.entry(sender).or_default();
        asked.push_back((ticket, None));
    }

    /// An answer has come. Gives those that are to be carried out now, in order.
    pub(super) fn answered(&mut self, ticket: Ticket, verdict: Verdict) -> Vec<(Ticket, Verdict)> {
        let Some(sender) = self.senders.get(&ticket).cloned() else {
            return Vec::new();
        };
        let asked = self.asked.get_mut(&sender).into_iter().flatten();
        for (_, answer) in asked.filter(|(t, answer)| *t == ticket && answer.is_none()) {
            *answer = Some(verdict.clone());
        }
        self.release(&sender)
    }

    /// No answer is waited for any more. Gives those that waited behind it.
    pub(super) fn forget(&mut self, ticket: Ticket) -> Vec<(Ticket, Verdict)> {
        let Some(sender) = self.senders.remove(&ticket) else {
            return Vec::new();
        };
        if let Some(asked) = self.asked.get_mut(&sender) {
            asked.retain(|(t, _)| *t != ticket);
        }
        self.release(&sender)
    }

    fn release(&mut self, sender: &Sender) -> Vec<(Ticket, Verdict)> {
        let mut released = Vec::new();
        let Some(asked) = self.asked.get_mut(sender) else {
            return released;
        };
        while let Some((ticket, Some(verdict))) = asked.pop_front_if(|(_, a)| a.is_some()) {
            self.senders.remove(&ticket);
            released.push((ticket, verdict));
        }
        if asked.is_empty() {
            self.asked.remove(sender);
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{AppId, RoomId};

    const ALLOW: Verdict = Verdict::Allow;

    fn ask(verdicts: &mut Verdicts, ticket: u64, user: &str) {
        let key = RoomKey::new(AppId(1), RoomId::number(7).unwrap());
        verdicts.asked(Ticket(ticket), key, user.parse().unwrap());
    }

    fn tickets(released: &[(Ticket, Verdict)]) -> Vec<u64> {
        released.iter().map(|(ticket, _)| ticket.0).collect()
    }

    fn answer(verdicts: &mut Verdicts, ticket: u64) -> Vec<u64> {
        tickets(&verdicts.answered(Ticket(ticket), ALLOW))
    }

    fn assert_empty(verdicts: &Verdicts) {
        assert!(verdicts.senders.is_empty() && verdicts.asked.is_empty());
    }

    #[test]
    fn an_answer_waits_for_the_senders_earlier_ones_alone() {
        let mut verdicts = Verdicts::default();
        for (ticket, user) in [(1, "anna"), (2, "anna"), (3, "bert"), (4, "anna")] {
            ask(&mut verdicts, ticket, user);
        }
        assert!(answer(&mut verdicts, 2).is_empty());
        assert_eq!(answer(&mut verdicts, 3), [3]);
        assert!(answer(&mut verdicts, 2).is_empty(), "answered already");
        assert_eq!(answer(&mut verdicts, 1), [1, 2]);
        assert_eq!(answer(&mut verdicts, 4), [4]);
        assert_empty(&verdicts);
    }

    #[test]
    fn a_question_that_is_given_up_holds_up_nothing() {
        let mut verdicts = Verdicts::default();
        ask(&mut verdicts, 1, "anna");
        ask(&mut verdicts, 2, "anna");
        assert!(answer(&mut verdicts, 2).is_empty());
        assert_eq!(tickets(&verdicts.forget(Ticket(1))), [2]);
        assert!(answer(&mut verdicts, 1).is_empty(), "too late");
        assert!(verdicts.forget(Ticket(9)).is_empty());
        assert_empty(&verdicts);
    }
}
