-- How many bytes each key has kept, so that a limit costs no look at every row.

create table response_total (
    key  text    not null primary key,
    size integer not null
) strict, without rowid;

insert into response_total select key, sum(length(input) + length(body)) from response group by key;

create trigger response_added after insert on response begin
    insert into response_total values (new.key, length(new.input) + length(new.body))
    on conflict (key) do update set size = size + excluded.size;
end;

create trigger response_changed after update of input, body on response begin
    update response_total
    set size = size + length(new.input) + length(new.body) - length(old.input) - length(old.body)
    where key = new.key;
end;

create trigger response_removed after delete on response begin
    update response_total set size = size - length(old.input) - length(old.body) where key = old.key;
end;
