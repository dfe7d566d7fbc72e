# What a former owner sends late of a table that was emptied stays.
# file: src/pipeline/worker/truncate.rs
# test: directed::rows_of_a_table_that_was_emptied_do_not_come_back_with_a_former_owners_writes
s/\n( +)self\.truncates\.sweep_again\(mark\);/\n$1let _ = mark;/;
