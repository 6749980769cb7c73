-- Recorded answers.

insert into recording values
    (x'01', 'anna', 1700000000, 1900000000, x'7b7d', null, null),
    (x'02', 'anna', 1700000000, 1900000000, x'7b2261223a317d', x'aa', x'00112233');
delete from recording where key = x'01';
