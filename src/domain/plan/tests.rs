//! Tests of the planner, row by row.
