-- The events after a place in the stream, as one text: id, newline, event, newline, …
-- A client takes an answer of many entries apart line by line, which costs it several times what reading the events does.
-- KEYS[1] the stream; ARGV[1] id of the last entry known, ARGV[2] the most entries
local parts = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
  parts[#parts + 1] = entry[1]
  -- A newline in JSON is space between two of its tokens, never part of a text.
  parts[#parts + 1] = string.gsub(entry[2][2] or '', '\n', ' ')
end
return table.concat(parts, '\n')
