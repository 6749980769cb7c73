-- What the second added: stored answers.

insert into response values
    ('anna', 'resp_1', null, 'completed', 0, 'gone', 1700000000, 1900000000, 0, x'5b5d', x'7b2261223a317d'),
    ('anna', 'resp_2', 'resp_1', 'in_progress', 1, 'gone', 1700000100, 1900000000, 0, x'5b315d', x'7b7d'),
    ('ben', 'resp_1', null, 'completed', 0, 'gone', 1700000000, 1900000000, 0, x'', x'7b7d');
insert into response_item values ('anna', 'msg_1', 'resp_1', 0), ('anna', 'msg_2', 'resp_2', 1);
