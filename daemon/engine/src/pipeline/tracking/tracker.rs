//! The life of tracks: an object is new in its first frame, followed from its second, lost while it is not seen, and
//! forgotten after that. In each frame the detections with high scores choose their tracks first; those with low scores
//! (an object half hidden, or blurred) may only go on with a track that is left over, and never begin one.

use super::assignment::assign;
use super::motion::Motion;
use crate::pipeline::detection::{Bounds, Detection};

/// Most tracks of a session; beyond it those unseen for longest are forgotten.
const MAX_TRACKS: usize = 1024;
/// Largest distance (1 − IoU) at which a detection with a low score goes on with a track, in ByteTrack's code.
const LOW_MATCH: f32 = 0.5;
/// Largest distance between the first and the second sight of an object, in ByteTrack's code.
const NEW_MATCH: f32 = 0.7;
/// IoU above which a lost and a followed track are the same object.
const SAME: f32 = 0.85;

/// What decides on a track's life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Scores from here up choose first.
    pub high: f32,
    /// Scores below are passed over.
    pub low: f32,
    /// Scores from here up begin a track.
    pub new_track: f32,
    /// Largest distance (1 − IoU × score) between a track and a detection with a high score.
    pub matching: f32,
    /// Frames for which a track is remembered without being seen.
    pub max_lost_frames: u64,
    /// Whether a track goes on only with detections of its class.
    pub per_class: bool,
}

/// The tracks of one session.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    tracks: Vec<Track>,
    last_id: u64,
    last_frame: Option<u64>,
}

#[derive(Clone, Debug)]
struct Track {
    motion: Motion,
    class_id: i64,
    life: Life,
    first_seen: u64,
    last_seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Seen once.
    New,
    /// Seen in the last frame, and before.
    Followed(u64),
    /// Not seen in the last frame.
    Lost(u64),
}

/// A frame while its detections find their tracks.
struct Sight<'a> {
    frame_index: u64,
    detections: &'a [Detection],
    thresholds: &'a Thresholds,
    /// Of each detection: whether a track has it, and the track's id.
    taken: Vec<bool>,
    ids: Vec<Option<u64>>,
}

/// One pass over the tracks and detections that are left.
struct Pass {
    /// Which tracks take part.
    lives: fn(Life) -> bool,
    /// Lowest score, and the first beyond the highest.
    scores: (f32, f32),
    /// Largest distance.
    distance: f32,
    /// Whether a lower score counts as a larger distance.
    fuse: bool,
}

impl Tracker {
    /// Takes in a frame's detections and gives the id of each one's track; none for one that no track follows (yet).
    /// `frame_index` rises from call to call; what it leaves out is time that passed.
    pub fn update(&mut self, frame_index: u64, detections: &[Detection], thresholds: &Thresholds) -> Vec<Option<u64>> {
        let is_first = self.last_frame.is_none();
        self.go_to(frame_index, thresholds.max_lost_frames);
        let (taken, ids) = (vec![false; detections.len()], vec![None; detections.len()]);
        let mut sight = Sight { frame_index, detections, thresholds, taken, ids };
        let (high, low) = ((thresholds.high, f32::INFINITY), (thresholds.low, thresholds.high));
        let known = |life| life != Life::New;
        let followed = |life| matches!(life, Life::Followed(_));
        let new = |life| life == Life::New;
        for pass in [
            Pass { lives: known, scores: high, distance: thresholds.matching, fuse: true },
            Pass { lives: followed, scores: low, distance: LOW_MATCH, fuse: false },
            Pass { lives: new, scores: high, distance: NEW_MATCH, fuse: true },
        ] {
            self.run_pass(&pass, &mut sight);
        }
        self.lose_unseen(frame_index);
        self.begin_tracks(&mut sight, is_first);
        self.forget_doubles();
        sight.ids
    }

    /// Lets the time from the last frame to this one pass. What was seen on the last one is not lost, however many frames
    /// were left out since; beyond `max_lost_frames` nobody knows how far it went.
    fn go_to(&mut self, frame_index: u64, max_lost_frames: u64) {
        let last = self.last_frame.replace(frame_index);
        let steps = last.map_or(1, |last| frame_index.saturating_sub(last).clamp(1, max_lost_frames.max(1)));
        let unseen = |track: &Track| frame_index.saturating_sub(track.last_seen).saturating_sub(1);
        self.tracks.retain(|track| Some(track.last_seen) == last || unseen(track) <= max_lost_frames);
        for track in &mut self.tracks {
            if matches!(track.life, Life::Lost(_)) {
                track.motion.keep_height();
            }
            (0..steps).for_each(|_| track.motion.predict());
        }
    }

    fn run_pass(&mut self, pass: &Pass, sight: &mut Sight<'_>) {
        let takes_part = |track: &&mut Track| (pass.lives)(track.life) && track.last_seen != sight.frame_index;
        let mut tracks: Vec<&mut Track> = self.tracks.iter_mut().filter(takes_part).collect();
        let boxes: Vec<(Bounds, i64)> = tracks.iter().map(|track| (track.motion.bounds(), track.class_id)).collect();
        let left = sight.detections.iter().enumerate().zip(&sight.taken).filter(|(_, taken)| !**taken);
        let candidates: Vec<(usize, &Detection)> = left
            .map(|(candidate, _)| candidate)
            .filter(|(_, detection)| is_trackable(detection))
            .filter(|(_, detection)| (pass.scores.0..pass.scores.1).contains(&detection.score))
            .collect();
        let gain = |row: usize, column: usize| match (boxes.get(row), candidates.get(column)) {
            (Some((bounds, class_id)), Some((_, detection)))
                if !sight.thresholds.per_class || *class_id == detection.class_id =>
            {
                let overlap = bounds.iou(&detection.bounds) * if pass.fuse { detection.score } else { 1.0 };
                pass.distance - (1.0 - overlap)
            }
            _ => 0.0,
        };
        for (row, column) in assign(boxes.len(), candidates.len(), gain) {
            let (Some(track), Some(&(at, detection))) = (tracks.get_mut(row), candidates.get(column)) else { continue };
            let id = track.see(sight.frame_index, detection, &mut self.last_id);
            if let (Some(taken), Some(place)) = (sight.taken.get_mut(at), sight.ids.get_mut(at)) {
                (*taken, *place) = (true, Some(id));
            }
        }
    }

    /// A new object that is not seen again was a mistake; a followed one is lost.
    fn lose_unseen(&mut self, frame_index: u64) {
        self.tracks.retain(|track| track.life != Life::New || track.last_seen == frame_index);
        for track in self.tracks.iter_mut().filter(|track| track.last_seen != frame_index) {
            if let Life::Followed(id) = track.life {
                track.life = Life::Lost(id);
            }
        }
    }

    /// Begins a track for each detection that is left with a high score. In a session's first frame all are followed at once.
    fn begin_tracks(&mut self, sight: &mut Sight<'_>, is_first: bool) {
        let lowest = sight.thresholds.new_track.max(sight.thresholds.high);
        for ((detection, &taken), id) in sight.detections.iter().zip(&sight.taken).zip(&mut sight.ids) {
            if taken || detection.score < lowest || !is_trackable(detection) || !self.make_room() {
                continue;
            }
            let life = if is_first {
                self.last_id += 1;
                *id = Some(self.last_id);
                Life::Followed(self.last_id)
            } else {
                Life::New
            };
            self.tracks.push(Track {
                motion: Motion::new(detection.bounds),
                class_id: detection.class_id,
                life,
                first_seen: sight.frame_index,
                last_seen: sight.frame_index,
            });
        }
    }

    /// Forgets the track unseen for longest where there are too many; false when all are seen.
    fn make_room(&mut self) -> bool {
        if self.tracks.len() < MAX_TRACKS {
            return true;
        }
        let lost = self.tracks.iter().enumerate().filter(|(_, track)| matches!(track.life, Life::Lost(_)));
        let oldest = lost.min_by_key(|(_, track)| track.last_seen).map(|(at, _)| at);
        oldest.map(|at| self.tracks.swap_remove(at)).is_some()
    }

    /// Of a lost and a followed track at one place, forgets the one that was followed for less time.
    fn forget_doubles(&mut self) {
        let followed = |track: &&Track| matches!(track.life, Life::Followed(_));
        let lost = |track: &&Track| matches!(track.life, Life::Lost(_));
        let mut double = Vec::new();
        for a in self.tracks.iter().filter(followed) {
            let bounds = a.motion.bounds();
            for b in self.tracks.iter().filter(lost).filter(|b| b.motion.bounds().iou(&bounds) > SAME) {
                double.push(if a.age() > b.age() { b.life } else { a.life });
            }
        }
        self.tracks.retain(|track| !double.contains(&track.life));
    }
}

impl Track {
    /// Goes on at a detection; gives the track's id, which it gets when it is seen for the second time.
    fn see(&mut self, frame_index: u64, detection: &Detection, last_id: &mut u64) -> u64 {
        let id = match self.life {
            Life::Followed(id) | Life::Lost(id) => id,
            Life::New => {
                *last_id += 1;
                *last_id
            }
        };
        self.life = Life::Followed(id);
        self.motion.update(detection.bounds);
        (self.class_id, self.last_seen) = (detection.class_id, frame_index);
        id
    }

    fn age(&self) -> u64 {
        self.last_seen - self.first_seen
    }
}

/// Whether a detection has a place (a box of four numbers and an area) and a score.
fn is_trackable(detection: &Detection) -> bool {
    detection.bounds.is_finite() && detection.bounds.area() > 0.0 && detection.score.is_finite()
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
