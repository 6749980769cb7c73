-- Stored answers again, changed and deleted under their totals.

insert into response values
    ('carl', 'resp_9', null, 'completed', 0, 'gone', 1700000000, 1900000000, 0, x'5b5d', x'7b7d');
update response set body = x'7b2262223a32327d' where key = 'anna' and id = 'resp_2';
delete from response where key = 'ben';
