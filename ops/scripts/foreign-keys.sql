-- Rows that refer to a row that is not there, `constraint of table|rows` each: what was loaded with triggers off was not asked. For psql.
SELECT format('SELECT %L, count(*) FROM %s AS here WHERE %s AND NOT EXISTS (SELECT FROM %s AS there WHERE %s) HAVING count(*) > 0',
  format('%s of %s', conname, conrelid::regclass), conrelid::regclass,
  string_agg(format('here.%I IS NOT NULL', mine.attname), ' AND '), confrelid::regclass,
  string_agg(format('there.%I = here.%I', other.attname, mine.attname), ' AND '))
FROM pg_constraint CROSS JOIN unnest(conkey, confkey) AS keys (here, there)
JOIN pg_attribute mine ON mine.attrelid = conrelid AND mine.attnum = keys.here
JOIN pg_attribute other ON other.attrelid = confrelid AND other.attnum = keys.there
WHERE contype = 'f' AND conparentid = 0
GROUP BY pg_constraint.oid, conname, conrelid, confrelid ORDER BY conname \gexec
