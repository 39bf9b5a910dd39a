-- The next events of a consumer group, as one text like `newer.lua`'s; they wait for their acknowledgement then.
-- KEYS[1] the stream; ARGV[1] the group, ARGV[2] the consumer, ARGV[3] the most entries
local found = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], '>')
local parts = {}
for _, entry in ipairs(found and found[1][2] or {}) do
  parts[#parts + 1] = entry[1]
  parts[#parts + 1] = string.gsub(entry[2][2] or '', '\n', ' ')
end
return table.concat(parts, '\n')
