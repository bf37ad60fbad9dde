//! How does a stream look to a viewer when the publisher or the viewer has a
//! lossy network? The media core and str0m clients on virtual time, one seed a
//! cell; the table is Markdown.

#![allow(clippy::print_stdout, reason = "the table is what this is for")]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the rig has more than one user, and each uses a part of it"
)]

// The world of the media core's own tests.
#[path = "../../sfu/tests/media/cell.rs"]
mod cell;
#[path = "../../sfu/tests/media/egress.rs"]
mod egress;
#[path = "../../sfu/tests/media/fec.rs"]
mod fec;
#[path = "../../sfu/tests/media/frames.rs"]
mod frames;
#[path = "../../sfu/tests/media/page.rs"]
mod page;
#[path = "../../sfu/tests/media/peer.rs"]
mod peer;
#[path = "../../sfu/tests/media/player.rs"]
mod player;
#[path = "../../sfu/tests/media/svc.rs"]
mod svc;
#[path = "../../sfu/tests/media/world.rs"]
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cell::{Cell, Figures, Pattern, Receiver, Side};
use clap::Parser;

/// The loss matrix.
#[derive(Debug, Parser)]
struct Options {
    /// Loss in percent.
    #[arg(long, value_delimiter = ',', default_value = "0,1,5,10,20,30,50")]
    loss: Vec<u8>,
    /// Round trips of the lossy side in milliseconds.
    #[arg(long, value_delimiter = ',', default_value = "20,100,300")]
    rtt: Vec<u64>,
    /// Seconds of each cell.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The first cell's seed; each cell has the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Each cell with so many seeds, and the worst of each figure.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The subscriber receives as a page in a room does, with bandwidth estimation, not by WHEP.
    #[arg(long)]
    page: bool,
    /// The subscriber's frames are held back as Chromium does by itself.
    #[arg(long)]
    plain: bool,
    /// An ideal parity packet for so many packets of media.
    #[arg(long)]
    fec: Option<u64>,
    /// The lossy side carries so many kbit/s to the subscriber.
    #[arg(long)]
    kbps: Option<u64>,
    /// Each packet is lost for itself, never in bursts.
    #[arg(long)]
    no_bursts: bool,
    /// Set by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
    /// Set by `cargo test`.
    #[arg(long, hide = true)]
    test: bool,
}

impl Options {
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for side in [Side::Publisher, Side::Subscriber] {
            for pattern in [Pattern::Random, Pattern::Bursts] {
                for &rtt in &self.rtt {
                    for &loss in &self.loss {
                        let is_burst = pattern == Pattern::Bursts;
                        if is_burst && (loss == 0 || self.no_bursts) {
                            continue;
                        }
                        cells.push(Cell {
                            side,
                            receiver: match self.page {
                                true => Receiver::Page,
                                false => Receiver::Viewer,
                            },
                            pattern,
                            loss,
                            rtt: Duration::from_millis(rtt),
                            rate: self.kbps.map(|kbps| kbps * 1_000),
                            fec: self.fec,
                            plain: self.plain,
                            seed: self.seed + cells.len() as u64 * self.seeds,
                            time: Duration::from_secs(self.seconds),
                        });
                    }
                }
            }
        }
        cells
    }
}

fn main() {
    let mut options = Options::parse();
    if !options.bench {
        // A test run checks that the matrix can be made.
        options.seconds = 2;
        options.loss = vec![0, 20];
        options.rtt = vec![20];
    }
    let start = Instant::now();
    let cells = options.cells();
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Figures>>> = cells.iter().map(|_| Mutex::new(None)).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let index = cells.iter().position(|c| c.seed == cell.seed);
                    let runs = (0..options.seeds).map(|more| {
                        let seed = cell.seed + more;
                        Cell { seed, ..*cell }.run()
                    });
                    let figures = runs.reduce(Figures::worst);
                    if let Some(slot) = index.and_then(|index| done.get(index))
                        && let Ok(mut slot) = slot.lock()
                    {
                        *slot = figures;
                    }
                }
            });
        }
    });
    println!(
        "| lossy side | loss | round trip | frozen | whole | added p50 | added p95 | repair |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (cell, figures) in cells.iter().zip(done) {
        let Ok(Some(figures)) = figures.into_inner() else {
            continue;
        };
        let loss = match cell.pattern {
            _ if cell.loss == 0 => "none".to_owned(),
            Pattern::Random => format!("{} %", cell.loss),
            Pattern::Bursts => format!("{} % in bursts", cell.loss),
        };
        println!(
            "| {:?} | {loss} | {} ms | {:.1} % | {:.1} % | {} ms | {} ms | {:.0} % |",
            cell.side,
            cell.rtt.as_millis(),
            figures.frozen,
            figures.whole,
            figures.p50.as_millis(),
            figures.p95.as_millis(),
            figures.repair,
        );
    }
    println!("\n{} cells in {:.0?}", cells.len(), start.elapsed());
}
