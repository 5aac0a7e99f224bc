//! The loop: what is seen goes to the planner, what it decides is done, and the world is looked at again.

pub mod permits;
