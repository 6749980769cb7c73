-- Ratings, and a cost that is changed afterwards.

insert into rating values
    ('v1-ended', 'anna', 'm-2', 5, 'quite so', 1700000100),
    ('v1-ended', 'ben', 'm-2', 2, 'hm', 1700000200);
update rating set rating = 4 where key = 'anna';
update exchange set cost_micros = 20000 where id = 'v1-ended';
