//! Whether the media workers answer.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Workers;
use super::thread::Command;

impl Workers {
    /// The numbers of the workers that do not answer a command within `limit`, those whose thread
    /// has ended included.
    pub async fn silent(&self, limit: Duration) -> Vec<usize> {
        silent(&self.shared.commands, limit).await
    }
}

async fn silent(workers: &[mpsc::Sender<Command>], limit: Duration) -> Vec<usize> {
    let mut asked = JoinSet::new();
    for (number, commands) in workers.iter().cloned().enumerate() {
        asked.spawn(async move {
            let (reply, answer) = oneshot::channel();
            let ask = async {
                commands.send(Command::Ping { reply }).await.ok()?;
                answer.await.ok()
            };
            let answered = timeout(limit, ask).await;
            (number, matches!(answered, Ok(Some(()))))
        });
    }
    let mut silent: Vec<usize> = (0..workers.len()).collect();
    while let Some(answered) = asked.join_next().await {
        if let Ok((number, true)) = answered {
            silent.retain(|n| *n != number);
        }
    }
    silent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn workers_that_hang_or_have_ended_are_named() {
        let (good, mut commands) = mpsc::channel(1);
        let (hanging, _held) = mpsc::channel(1);
        let (ended, _) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(Command::Ping { reply }) = commands.recv().await {
                let _ = reply.send(());
            }
        });
        let limit = Duration::from_secs(1);
        assert!(silent(std::slice::from_ref(&good), limit).await.is_empty());
        assert_eq!(silent(&[ended, good.clone(), hanging], limit).await, [0, 2]);
        // Asked again, its queue is full.
        let (full, _held) = mpsc::channel(1);
        for _ in 0..2 {
            assert_eq!(silent(std::slice::from_ref(&full), limit).await, [0]);
        }
    }
}
